"""Opens TensorBoard on the newest run, or the newest sweep, or all that lies in a folder.

python dashboard.py [DIR] [port=N]

DIR   shows every run under it (`logs` for all); without it the newest run or sweep under logs is shown
port  where it is served; the first that is free from 6006 on
"""

import os
import re
import subprocess
import sys
import webbrowser
from pathlib import Path

from rich.console import Console

from experiment.front_door import readable_errors
from experiment.results.latest import latest
from experiment.signals import ended_by_signals
from schemas.errors import ConfigError

OPTIONS = "?smoothing=0#custom_scalars&_smoothingWeight=0"
"""Model and baselines in one chart, and no curve smoothed there or in Time Series: by itself TensorBoard smooths all.
Its option to ignore outliers is in no address: it is switched off by hand, once a browser."""
LOGS = Path("logs")
"""Where train.py puts runs unless paths.log_dir says otherwise."""
SERVED = re.compile(r"TensorBoard \S+ at (http\S+)")


def read_options(words: list[str]) -> tuple[Path | None, int | None]:
    """The folder, if one is named, and the port; raises ConfigError for what is neither."""
    folder = port = None
    for word in words:
        key, equals, value = word.partition("=")
        if key == "port" and equals and port is None:
            if not value.isdecimal() or not 0 < int(value) < 65536:
                raise ConfigError(f"{value!r} is no port, a number of 1 to 65535", where="port")
            port = int(value)
        elif folder is None and Path(word).is_dir():
            folder = Path(word)
        else:
            raise ConfigError(f"{word!r} cannot be used", remedy="Name one folder that exists, and port=N once.")
    return folder, port


def serve(folder: Path, port: int | None) -> int:
    """Runs TensorBoard until it is ended, says where, and opens a browser on it where there is a display."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
    command += ["--port", str(port)] if port else []
    with ended_by_signals(), subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stderr:
                sys.stderr.write(line)
                if served := SERVED.search(line):
                    address = served[1] + OPTIONS
                    sys.stderr.write(f"Unsmoothed: {address}\n")
                    if has_display():
                        webbrowser.open(address)
        except KeyboardInterrupt:  # how one ends it
            process.terminate()
            return 0
    return process.returncode


def has_display() -> bool:
    return sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))


def main(words: list[str]) -> int:
    """Says what is shown, and shows it; exits with 2 where there is nothing to show."""
    console = Console(highlight=False)
    if words and words[0] in ("-h", "--help"):
        console.print(__doc__.strip(), markup=False)
        return 0
    with readable_errors():
        folder, port = read_options(words)
        if folder is None:
            newest = latest(LOGS)
            folder = newest.path
            console.print(f"The newest {newest.what}: {folder}", markup=False, soft_wrap=True)
            if newest.others:
                console.print(f"{newest.others} more: python dashboard.py {LOGS}", markup=False, soft_wrap=True)
        else:
            latest(folder)  # or it is said that there is nothing
            console.print(f"All runs under {folder}", markup=False, soft_wrap=True)
        return serve(folder, port)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
