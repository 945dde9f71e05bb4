"""Predicts the classes of new clips, or the next events of each sequence of a log, with a trained run.

python predict.py run=RUN input=FILE_OR_FOLDER output=predictions.parquet [top=5] [batch_size=64] [checkpoint=best]
                  clips:  [format=NAME] [layout=..] [labels=..] [split=..] [persons=..] [temperature=T]
                  events: [n=1] [seed=S]

run          a run's folder, or a .ckpt file
input        clips: a processed store, a .npy file or a folder of them, a .npz, or what else prepare.py reads (labels
             are not needed, where the format can do without); events: a CSV, Parquet or XES with the columns that
             the run was trained on
output       a new file, .parquet or .csv
format ...   as for prepare.py; the format is guessed from the names of the files where it is not given
temperature  of clips, what logits are divided by; default: as fitted by the run's latest evaluation (evaluate.py)
             on validation, which for events has one a field
n            the next n events of each sequence; the likeliest value of every field, or drawn with seed=S
trust        exact names of your own classes that the run's config may build, between commas

Cut off, the same command goes on where it stopped.
"""

import sys

from rich.console import Console

from experiment.front_door import readable_errors
from experiment.prediction.request import Request


def main(words: list[str]) -> int:
    """Predicts and says what came of it; exits with 2 for what cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        request = Request.from_words(words)
        from experiment.prediction.predict import run_prediction

        for line in run_prediction(request):
            console.print(line, markup=False, soft_wrap=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
