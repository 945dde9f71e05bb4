"""The trials of a search, one after another in this process, each a run with a folder of its own.

`study.log` (Optuna's journal) holds the trials that have ended, `<number>/trial.json` what each was given and how its
monitored metric went. What a trial is given follows from the search's seed, the trial's number and the trials before
it, so that a search that was killed goes on as if it had not been. No torch is imported, Optuna only once it is needed.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType

from experiment.configs.compose import compose_config, direction
from experiment.run_folder import FINISHED, PRUNED, RunFolder
from experiment.sweeps.space import Choices, Range, words_of
from experiment.sweeps.sweep import run_job
from schemas.errors import ConfigError
from storage import atomic


def load_optuna() -> ModuleType:
    """Optuna, quiet; raises ConfigError where it is not installed."""
    try:
        import optuna
    except ImportError as error:
        remedy = 'pip install -e ".[search]"'
        raise ConfigError("Optuna is not installed", where="hparams_search", remedy=remedy) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna


class Trials:
    """The trials of one search.

    Args:
        folder: the search's, which nobody else may be at.
        words: every trial's, but for its own values.
        settings: `trials`, `seed`, `startup` and `prune`, as in conf/hparams_search/.
        monitor: the metric of validation that trials are ranked by.
    """

    def __init__(
        self,
        folder: Path,
        words: Sequence[str],
        space: Mapping[str, Range | Choices],
        settings: Mapping,
        monitor: str,
    ):
        self.folder, self.words, self.space, self.settings, self.monitor = folder, words, space, settings, monitor
        self.wanted: int = settings["trials"]
        self._distributions = {key: part.distribution() for key, part in space.items()}

    def run(self) -> None:
        """Runs all trials that have not ended yet; one that fails is entered as such."""
        while (number := len(self.ended())) < self.wanted:
            self._run_trial(number)

    def ended(self) -> list:
        """Optuna's record of the trials that are over, by number."""
        return self.study.get_trials(deepcopy=False)

    def ranked(self) -> list:
        """Those that finished, the best first."""
        done = [trial for trial in self.ended() if trial.state.name == "COMPLETE"]
        return sorted(done, key=lambda trial: trial.value, reverse=direction(self.monitor) == "max")

    def words_of(self, values: Mapping[str, object]) -> list[str]:
        """What a trial with these values is made of."""
        return [*self.words, *words_of(values)]

    @cached_property
    def study(self) -> object:
        """Optuna's study of the trials that have ended."""
        optuna, log = load_optuna(), self.folder / "study.log"
        from optuna.storages.journal import JournalFileBackend, JournalStorage

        # The search's folder is held: locks of Optuna's and a last line without an end are those of a killed process.
        log.with_name("study.log.lock").unlink(missing_ok=True)
        if log.is_file() and not (content := log.read_bytes()).endswith(b"\n"):
            atomic.write_bytes(log, content[: content.rfind(b"\n") + 1])
        try:
            return optuna.create_study(
                storage=JournalStorage(JournalFileBackend(str(log))),
                study_name="search",
                direction=f"{direction(self.monitor)}imize",
                load_if_exists=True,
            )
        except (ValueError, KeyError) as error:
            what = f"it cannot be read ({' '.join(str(error).split())[:200]})"
            raise ConfigError(what, where=log, remedy="Begin a new search with the words in search.yaml.") from error

    def _run_trial(self, number: int) -> None:
        """One trial, from its draw, or from where it was cut off, to its entry in the study."""
        folder = self.folder / str(number)
        values = read_trial(folder).get("values") or self._draw(number)
        folder.mkdir(exist_ok=True)
        if not (folder / "trial.json").exists():
            _write_trial(folder, values, {})
        words = self.words_of(values)
        run_job(compose_config(words, judged=False), folder, words, self._hopeless(folder, values))
        self._tell(folder, values)

    def _draw(self, number: int) -> dict[str, object]:
        """What the sampler gives a trial, by its number and the trials before it alone."""
        optuna, settings = load_optuna(), self.settings
        from numpy.random import SeedSequence

        seed = int(SeedSequence([settings["seed"], number]).generate_state(1)[0])
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=settings["startup"])
        drawn = optuna.create_study(direction=f"{direction(self.monitor)}imize", sampler=sampler)
        drawn.add_trials(self.study.get_trials())
        return drawn.ask(self._distributions).params

    def _hopeless(self, folder: Path, values: dict) -> Callable[[Mapping[int, float]], bool]:
        """For the callback that ends a trial: keeps how it goes, and says whether it falls behind the others."""
        optuna, prune = load_optuna(), self.settings["prune"]
        pruner = optuna.pruners.NopPruner()
        if prune is not None:
            pruner = optuna.pruners.MedianPruner(prune["startup"], prune["warmup_epochs"])

        def hopeless(seen: Mapping[int, float]) -> bool:
            _write_trial(folder, values, seen)
            return pruner.prune(self.study, self._frozen("RUNNING", values, seen))

        return hopeless

    def _tell(self, folder: Path, values: dict) -> None:
        """Enters a trial into the study, in one line of its log."""
        status, seen = RunFolder.read_status(folder), {}
        for epoch, value in (read_trial(folder).get("seen") or {}).items():
            if math.isfinite(value):
                seen[int(epoch)] = value
        best = (status.get("result") or {}).get("best_value")
        if status.get("state") == PRUNED and seen:
            self.study.add_trial(self._frozen("PRUNED", values, seen, seen[max(seen)]))
        elif status.get("state") == FINISHED and best is not None:
            self.study.add_trial(self._frozen("COMPLETE", values, seen, best))
        else:
            self.study.add_trial(self._frozen("FAIL", values, seen))

    def _frozen(self, state: str, values: dict, seen: Mapping[int, float], value: float | None = None) -> object:
        trial = load_optuna().trial
        return trial.create_trial(
            state=trial.TrialState[state],
            value=value,
            params=values,
            distributions=self._distributions,
            intermediate_values=dict(seen),
        )


def read_trial(folder: Path) -> dict:
    """What a trial was given (`values`), and its monitored metric by epoch (`seen`); empty where it has not begun."""
    try:
        return json.loads((folder / "trial.json").read_text())
    except FileNotFoundError:
        return {}
    except ValueError as error:
        remedy = "Remove the trial's folder: it is drawn and run once more."
        raise ConfigError("it is damaged", where=folder / "trial.json", remedy=remedy) from error


def _write_trial(folder: Path, values: Mapping[str, object], seen: Mapping[int, float]) -> None:
    atomic.write_text(folder / "trial.json", json.dumps({"values": values, "seen": seen}, indent=1) + "\n")
