"""HoTPP's side of `hotpp_peer.py`, run by the Python of HoTPP's own environment; it imports nothing of this project.

    PYTHON hotpp_side.py SETUP.json BATCHES.npz

Its next-item module (`hotpp.modules.NextItemModule`) with a causal `SimpleTransformer` learns from the same batches as
ours. It waits for lines on its standard input and answers each with a line of JSON:

    train FIRST LAST    steps on these batches: {"seconds": of all of them}
    measure             {"nll": [D], "hit": [D]}, means over the scored events of the validation batches
"""

import json
import sys
import time
from functools import partial
from types import ModuleType

import numpy as np
import torch


class Absent(ModuleType):
    """A package that HoTPP's imports name, and nothing here calls: an empty class stands for whatever it has."""

    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (), {})


for package in ("transformers", "duckdb", "pymonad", "pymonad.either"):
    sys.modules.setdefault(package, Absent(package))

from hotpp.data import PaddedBatch  # noqa: E402
from hotpp.losses import CrossEntropyLoss, NextItemLoss  # noqa: E402
from hotpp.modules import NextItemModule  # noqa: E402
from hotpp.nn import Embedder, Head, SimpleTransformer, TransformerEncoder  # noqa: E402


def build(setup: dict) -> NextItemModule:
    """Embeddings of all fields and the log gap side by side, a linear map, the transformer, a linear head a field."""
    embeddings = {name: {"in": size, "out": setup["embedding"]} for name, size in setup["sizes"].items()}
    transformer = partial(
        SimpleTransformer,
        n_positions=setup["length"] + 1,  # and the start token
        n_embd=setup["d_model"],
        n_layer=setup["layers"],
        n_head=setup["num_heads"],
        n_inner=setup["feed_forward"],
        dropout=setup["dropout"],
        causal=True,
    )
    embedder = Embedder(embeddings, numeric_values={"log_gap": "identity"}, use_batch_norm=False)
    return NextItemModule(
        TransformerEncoder(embedder, transformer),
        NextItemLoss({name: CrossEntropyLoss(setup["sizes"][name]) for name in setup["predicted"]}),
        head_partial=Head,
        labels_field=setup["predicted"][0],
    )


def read_batches(arrays: dict, split: str, names: list[str]) -> list[tuple[PaddedBatch, torch.Tensor]]:
    """Every batch, and which of its events are scored."""
    batches = []
    for number in range(int(arrays[f"{split}_batches"])):
        target, gap, length, scored = (
            torch.from_numpy(arrays[f"{split}_{number}_{part}"]) for part in ("target", "gap", "length", "scored")
        )
        fields = {name: target[..., field].long() for field, name in enumerate(names)}
        times = {"timestamps": gap.expm1().cumsum(1) / 86400, "log_gap": gap / 16}
        batches.append((PaddedBatch(fields | times, length), scored))
    return batches


def outputs_of(module: NextItemModule, batch: PaddedBatch):
    """As in the module's own training step."""
    return module(batch, return_states="full" if module._need_states else False)


def train(module: NextItemModule, optimizer: torch.optim.Optimizer, batches: list) -> float:
    """Seconds of a step on each."""
    module.train()
    start = time.perf_counter()
    for batch, _ in batches:
        losses, _ = module.compute_loss(batch, *outputs_of(module, batch))
        optimizer.zero_grad()
        sum(losses.values()).backward()
        optimizer.step()
    return time.perf_counter() - start


@torch.no_grad()
def measure(module: NextItemModule, batches: list, predicted: list[str]) -> dict[str, list[float]]:
    module.eval()
    nll, hit, count = torch.zeros(len(predicted)), torch.zeros(len(predicted)), 0
    for batch, scored in batches:
        outputs, states = outputs_of(module, batch)
        losses, _ = module._loss(batch, outputs, states, reduction="none")
        guesses = module._loss.predict_next(outputs, states, fields=predicted).payload
        for field, name in enumerate(predicted):
            actual = batch.payload[name][:, 1:]
            nll[field] += losses[name][scored].sum()
            hit[field] += ((guesses[name][:, :-1] == actual) & (actual > 1))[scored].sum()  # 1 is unknown
        count += int(scored.sum())
    return {"nll": (nll / count).tolist(), "hit": (hit / count).tolist()}


def main():
    with open(sys.argv[1]) as file:
        setup = json.load(file)
    arrays = dict(np.load(sys.argv[2]))
    torch.set_num_threads(setup["threads"])
    torch.manual_seed(0)
    module = build(setup)
    optimizer = torch.optim.Adam(module.parameters(), lr=setup["lr"])
    train_batches, val_batches = (read_batches(arrays, split, list(setup["sizes"])) for split in ("train", "val"))
    print(json.dumps({"parameters": sum(p.numel() for p in module.parameters())}), flush=True)
    for line in sys.stdin:
        verb, *numbers = line.split()
        if verb == "train":
            first, last = map(int, numbers)
            answer = {"seconds": train(module, optimizer, train_batches[first:last])}
        else:
            answer = measure(module, val_batches, setup["predicted"])
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
