"""Says what a checkpoint is, ours or a stranger's, and how much of that is known and how much a guess.

python describe.py PATH [output=FILE.md] [epochs=N]

PATH    a .ckpt or .pth file, or the folder of a run, of which checkpoints/best.ckpt is described
output  writes the page as Markdown too
epochs  how many epochs you believe the run had: held against the saved learning rate
"""

import sys
from pathlib import Path

from rich.console import Console

from experiment.front_door import readable_errors
from reports.describe.location import find_checkpoint
from schemas.errors import ConfigError
from storage import atomic


def read_options(words: list[str]) -> tuple[Path | None, int | None]:
    """The file to write and the number of epochs; raises ConfigError for what is neither."""
    options = dict.fromkeys(("output", "epochs"), "")
    for word in words:
        key, equals, value = word.partition("=")
        if key not in options or not equals or not value or options[key]:
            remedy = "The path comes first, then output=FILE.md or epochs=N, each once."
            raise ConfigError(f"{word!r} cannot be used", remedy=remedy)
        options[key] = value
    output = Path(options["output"]).expanduser() if options["output"] else None
    if output is not None and (output.suffix.lower() not in (".md", ".markdown") or not output.parent.is_dir()):
        raise ConfigError(f"'{output}' is no .md file in a folder that exists", where="output")
    if options["epochs"] and not (options["epochs"].isdecimal() and int(options["epochs"]) > 0):
        raise ConfigError(f"{options['epochs']!r} is no whole number above 0", where="epochs")
    return output, int(options["epochs"]) if options["epochs"] else None


def main(words: list[str]) -> int:
    """Describes one file; exits with 2 for a file or an option that cannot be used."""
    console = Console(highlight=False)
    if not words or words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0 if words else 2
    with readable_errors():
        output, epochs = read_options(words[1:])
        find_checkpoint(words[0])  # before torch is imported
        from reports.describe.page import describe
        from reports.describe.rendering import as_markdown, print_page

        page = describe(words[0], epochs)
        print_page(page, console)
        if output is not None:
            atomic.write_text(output, as_markdown(page))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
