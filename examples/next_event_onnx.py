"""Predicts what happens next in one sequence with a file of `export.py`. It needs numpy and onnxruntime, no torch.

python examples/next_event_onnx.py best.onnx log.csv SEQUENCE

The log has a row an event, of all sequences, with the columns `sequence`, `seconds` (since any moment) and one a field,
which holds the value's name. A field that other sequences learn only later (`known_later` in the file, as a delay) has
a column `known_at_FIELD` too: the seconds from which on they know the value, empty for never. Without that column none
of them ever does, and the answers are not those of `predict.py`, which shows the net each value once it is known.
What the file knows of its fields stands in the file.
"""

import csv
import json
import sys

import numpy as np
import onnxruntime

UNKNOWN = 1  # the number of a value that the model does not know, in every field


def main(model: str, log: str, sequence: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map  # all that there is to know of the model, as text
    fields, rows, order = (json.loads(about[key]) for key in ("fields", "source_rows", "order"))
    with open(log, newline="") as lines:
        events = sorted(csv.DictReader(lines), key=lambda event: float(event["seconds"]))
    seconds = np.array([float(event["seconds"]) for event in events])
    owner = np.array([event["sequence"] for event in events])
    if sequence not in owner:
        sys.exit(f"{log} has no sequence {sequence!r}")
    number = [{value: i for i, value in enumerate(field["values"])} for field in fields]
    names = [field["name"] for field in fields]
    known_at = {
        place: np.array([float(event.get(f"known_at_{names[place]}") or "inf") for event in events])
        for place, field in enumerate(fields)
        if field["known_later"]
    }
    value = np.array([[n.get(event[name], UNKNOWN) for n, name in zip(number, names, strict=True)] for event in events])

    own = np.flatnonzero(owner == sequence)
    window = own[-int(about["tgt_seq_len"]) :]
    gap = np.diff(seconds[own], prepend=seconds[own[0]])[-len(window) :]
    feed = {"target": value[None, window], "target_gap": np.log1p(gap)[None].astype(np.float32)}
    feed["target_length"] = np.array([len(window)])
    if rows:  # a source row holds the newest events of one kind before the cut-off, the last of them at its end
        cuts = window[:1] if about["context_at"] == "window" else window
        shape = (1, len(cuts), len(rows), int(about["src_seq_len"]))
        source, age = np.zeros((*shape, len(fields)), np.int32), np.zeros(shape, np.float32)
        length = np.zeros(shape[:3], np.int64)
        for c, cut in enumerate(cuts):
            for r, row in enumerate(rows):
                if row["key"] is None:
                    past = own[own < cut]
                else:
                    of_key = value[:, names.index(row["key"])]
                    wanted = of_key[cut] if row["value"] is None else row["value"]
                    past = np.flatnonzero((of_key == wanted) & (seconds < seconds[cut]))
                if len(past := past[-shape[3] :]):
                    source[0, c, r, -len(past) :] = value[past]
                    for place, moment in known_at.items():
                        hidden = (moment[past] > seconds[cut]) & (owner[past] != sequence)
                        source[0, c, r, -len(past) :, place][hidden] = UNKNOWN
                    age[0, c, r, -len(past) :] = np.log1p(seconds[cut] - seconds[past])
                    length[0, c, r] = len(past)
        feed |= {"source": source, "source_age": age, "source_length": length}

    predicted = [field["name"] for field in fields if field["role"] == "dynamic"]
    chosen = np.zeros((1, len(predicted)), np.int64)
    for name in order:  # field by field: chained heads are told what was chosen of the fields before
        given = {"chosen": chosen} if about["heads"] == "chained" else {}
        ((p,),) = session.run([f"probability_{name}"], feed | given)
        likeliest = p.argsort()[::-1][:3]
        chosen[0, predicted.index(name)] = likeliest[0]
        print(name, ", ".join(f"{fields[names.index(name)]['values'][k]} {p[k]:.3f}" for k in likeliest))


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
