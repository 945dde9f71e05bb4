"""The README's five commands: one's own clips in a folder of .npy files, a trained model, predictions, an ONNX file."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest

from datamodules.skeletons.generators.people import split_of
from datamodules.skeletons.generators.phonology import SIGNS
from datamodules.skeletons.generators.signs import signer_clips

ROOT = Path(__file__).parent.parent
COMMANDS = """
python prepare.py format=npy_folder source=my_clips name=mine
python train.py experiment=quickstart datamodule=clips datamodule.root=data/processed/mine
python evaluate.py run=logs/clips/runs/RUN
python predict.py run=logs/clips/runs/RUN input=new_clips output=predictions.csv
python export.py run=logs/clips/runs/RUN format=onnx
"""
"""As the README has them, run where `my_clips` and `new_clips` lie."""
SMALL = {"train.py": ("trainer.max_epochs=14", "logger=csv")}
"""What the test adds, for its time only."""
CLASSES = (0, 20, 40, 60, 80)
SIGNERS = 12
"""The first eight of their kind train, two validate, two test; one more is new."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Five signs, a file [T, 75, 3] a clip with NaN where nothing was seen: a labelled folder, and a new one."""
    folder = tmp_path_factory.mktemp("five commands")
    (folder / "my_clips").mkdir()
    (folder / "new_clips").mkdir()
    rows = []
    for signer in range(SIGNERS + 1):
        made = signer_clips(signer)
        for row in np.flatnonzero(np.isin(made.label, CLASSES)):
            part, name = made.frames.of(row), f"signer{signer:02}_{row:03}"
            clip = np.where(made.visible[part][..., None], made.seen[part], np.nan)
            np.save(folder / ("my_clips" if signer < SIGNERS else "new_clips") / f"{name}.npy", clip)
            rows.append((name, SIGNS[made.label[row]].name, split_of(signer), signer))
    table = pd.DataFrame(rows, columns=["file", "label", "split", "signer"])
    table[table["signer"] < SIGNERS].to_csv(folder / "my_clips" / "labels.csv", index=False)
    table[table["signer"] == SIGNERS].to_csv(folder / "truth.csv", index=False)
    return folder


def test_the_readme_names_these_commands():
    assert COMMANDS.strip() in (ROOT / "README.md").read_text()


def test_own_clips_to_predictions_in_five_commands(folder):
    said = {}
    for command in COMMANDS.strip().splitlines():
        if "RUN" in command:
            (run,) = (folder / "logs/clips/runs").iterdir()
            command = command.replace("RUN", run.name)
        _, script, *words = shlex.split(command)
        command = [sys.executable, str(ROOT / script), *words, *SMALL.get(script, ())]
        environment = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "200"}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        said[script] = done.stdout
    assert re.search(r"5 classes, layout pose_hands75, 75 joints", said["prepare.py"])
    assert "predictions.csv: 10 clips, predicted by" in said["predict.py"]
    assert "probabilities are calibrated: temperature" in said["predict.py"]

    found = pd.read_csv(folder / "predictions.csv").set_index("clip")
    truth = pd.read_csv(folder / "truth.csv").set_index("file")["label"]
    assert sorted(found.index) == sorted(truth.index)
    assert found["probability 1"].between(0.2, 1).all() and found["missing"].between(0, 0.9).all()
    assert (found["class 1"] == truth).sum() >= 5  # 2 of 10 by chance

    (model,) = run.glob("*.onnx")
    assert onnxruntime.InferenceSession(model).get_outputs()
