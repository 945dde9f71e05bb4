"""Classifies clips with a file of `export.py`. It needs numpy and onnxruntime; nothing of assay, and no torch.

python examples/classify_onnx.py best.onnx clip.npy [another.npy ...]

A clip is an array [frames, joints, coordinates] as it was recorded, with NaN where a joint was not seen.
"""

import json
import sys

import numpy as np
import onnxruntime


def main(model: str, *paths: str) -> None:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    about = session.get_modelmeta().custom_metadata_map  # all that there is to know of the model, as text
    classes = json.loads(about["classes"])

    # Clips of any lengths make one batch: what stands behind the end of a shorter one is never read.
    clips = [np.load(path) for path in paths]
    length = np.array([len(clip) for clip in clips])
    joints = np.zeros((len(clips), length.max(), *clips[0].shape[1:]), np.float32)
    for row, clip in zip(joints, clips, strict=True):
        row[: len(clip)] = clip
    visible = np.ones(joints.shape[:3], bool)  # a NaN says the same as False here

    (probabilities,) = session.run(["probabilities"], {"joints": joints, "visible": visible, "length": length})
    for path, row in zip(paths, probabilities, strict=True):
        likeliest = row.argsort()[::-1][:3]
        print(path, ", ".join(f"{classes[k]} {row[k]:.3f}" for k in likeliest))


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
