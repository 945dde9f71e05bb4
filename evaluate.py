"""Evaluates a trained run, or several as an ensemble, on its own data or on others that its model can read.

python evaluate.py run=RUN [on=test|val] [checkpoint=best] [crops=N] [flip=true] [weights=learned] [trust=my.Net]
                   [paths.data_dir=FOLDER] [datamodule=NAME] [datamodule.KEY=VALUE ...]

run             a run's folder, or several on the same data and split: run=[A,B,C], whose probabilities are averaged
on              the split; an evaluation on test counts as one more opening of it
checkpoint      best, last, epoch_25: a name under the run's checkpoints
crops, flip     look at each clip several times: evenly placed stretches of it, and their mirror images
paths.data_dir  where the run's data lies now; datamodule=NAME names others, datamodule.KEY=VALUE changes a setting
weights         of several runs: equal (default), or learned on validation
trust           exact names of your own classes that the run's config may build, between commas

Writes RUN/evaluations/<time>_<split>/: evaluation.json, predictions.parquet, report.md and
report.html. The temperature, of events one a field, is fitted on validation only.
"""

import sys

from rich.console import Console

from experiment.evaluation.config import evaluated_config
from experiment.evaluation.request import Request
from experiment.front_door import readable_errors


def main(words: list[str]) -> int:
    """Evaluates and prints; exits with 2 for what cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        request = Request.from_words(words)
        configs = [evaluated_config(run, request) for run in request.runs]
        from experiment.evaluation.evaluate import run_evaluation
        from experiment.evaluation.tables import print_evaluation

        print_evaluation(*run_evaluation(request, configs), console)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
