"""One run, from config to result. `from experiment import load_run` gives a trained model back."""


def __getattr__(name: str) -> object:
    """`load_run`, imported when it is asked for: the config is judged before torch is loaded."""
    if name == "load_run":
        from experiment.checkpoints.loading import load_run

        return load_run
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
