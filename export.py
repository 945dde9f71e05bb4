"""Exports a trained model, of clips or of events, to one file that runs without torch and without assay.

python export.py run=RUN [format=onnx] [output=FILE.onnx] [checkpoint=best] [temperature=T] [coordinates=C]
                 [trust=my.Net]

run          a run's folder, or a .ckpt file
output       default: RUN/best.onnx, or beside the .ckpt file
checkpoint   best, last, epoch_25: a name under the run's checkpoints
temperature  clips: the logits are divided by it; default: what the run's latest evaluation has fitted (evaluate.py)
coordinates  clips: of a joint in the raw clips, where the run does not tell: 3 or 2
trust        exact names of your own classes that the run's config may build, between commas

The file is written only if it says what the model says. Of clips it holds the preprocessing too; of events it reads
windows of numbered values, whose names stand in it, and gives the probabilities of each field of the next event.
`examples/classify_onnx.py` and `examples/next_event_onnx.py` run it with numpy and onnxruntime alone.
"""

import sys

from rich.console import Console

from experiment.export.request import Request
from experiment.front_door import readable_errors


def main(words: list[str]) -> int:
    """Exports one run; exits with 2 for what cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        request = Request.from_words(words)
        from experiment.export.onnx_file import export_run

        console.print(str(export_run(request)), markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
