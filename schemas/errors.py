"""The errors a user can act on. A front door prints one paragraph of them and exits with code 2."""


class ExperimentError(Exception):
    """What is wrong, where it is (file, row, clip or key) and what to do about it, on one line.

    Args:
        what: one clause naming the fault.
        where: the file, row, clip or config key at fault.
        remedy: what the user can do next.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None):
        self.what, self.where, self.remedy = what, where, remedy
        text = f"{where}: {what}" if where is not None else what
        super().__init__(_printable(f"{text.rstrip('.')}. {remedy}" if remedy else text))


def _printable(text: str) -> str:
    """With escapes for what a terminal would act on: a name or cell of a strange file may hold anything."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class ConfigError(ExperimentError):
    """A config key or its value cannot be used."""


class DataError(ExperimentError):
    """A data set is missing, damaged or not what it claims to be."""


class CheckpointError(ExperimentError):
    """A checkpoint is missing, damaged or does not fit."""
