"""From a file of any origin to its content, without running anything that it asks for."""

import io
import pickle
import pickletools
import re
import warnings
from pathlib import Path

import torch

from reports.describe.inert import STAND_INS
from schemas.errors import CheckpointError

ZIP, PICKLE = b"PK\x03\x04", b"\x80"
SEARCHED = 2**20
"""Bytes of a plain pickle that are searched for the names it asks for."""
BROKEN = "Copy or download it again, and compare its size with the original's."


def read_content(path: Path) -> object:
    """The content of a .ckpt or .pth, its tensors mapped from the file where its format allows it.

    Raises:
        CheckpointError: for a file that is damaged, is no checkpoint, or would run code on loading.
    """
    with path.open("rb") as file:
        start = file.read(4)
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals(STAND_INS):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True, mmap=start == ZIP)
    except pickle.UnpicklingError as error:
        raise _refused(path, start, str(error)) from error
    except MemoryError as error:
        raise CheckpointError("asks for more memory than there is", where=path) from error
    except Exception as error:  # torch raises KeyError, EOFError, RuntimeError ... for a file that is not what it says
        raise _unreadable(path, start, str(error)) from error


def _refused(path: Path, start: bytes, said: str) -> CheckpointError:
    """Of a pickle that holds more than plain values; torch's own advice, to load it all the same, is left out."""
    asked = re.search(r"(?:GLOBAL|Unsupported class) ([\w.<>]+)", said)
    name = asked[1] if asked else ""
    if not name and start[:1] == PICKLE:
        name = _asked_for(path)
    if name:
        return CheckpointError(
            f"the file wants to run code: it asks for {name}. It was not loaded",
            where=path,
            remedy="Where you trust its origin, load it there and save its state_dict alone.",
        )
    if start not in (ZIP,) and start[:1] != PICKLE:
        return CheckpointError("this is no checkpoint of torch", where=path)
    return CheckpointError("this is no checkpoint of torch, or one that would run code; it was not loaded", where=path)


def _asked_for(path: Path) -> str:
    """The first name that a plain pickle would import, read off its opcodes."""
    with path.open("rb") as file:
        head = io.BytesIO(file.read(SEARCHED))
    texts: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(head):
            if opcode.name == "GLOBAL":
                return str(argument).replace(" ", ".")
            if opcode.name == "STACK_GLOBAL":
                return ".".join(texts[-2:])
            if isinstance(argument, str):
                texts.append(argument)
    except (ValueError, UnicodeDecodeError):
        pass
    return ""


def _unreadable(path: Path, start: bytes, said: str) -> CheckpointError:
    if "TorchScript" in said:
        return CheckpointError(
            "a TorchScript archive, which is a program and not only weights; it was not loaded",
            where=path,
            remedy="Save the state_dict of the model that it was made from.",
        )
    if start == ZIP:
        return CheckpointError("the file is damaged, cut off or no checkpoint of torch", where=path, remedy=BROKEN)
    if "EOF" in said or "corrupted" in said:
        return CheckpointError("the file is cut off or damaged", where=path, remedy=BROKEN)
    return CheckpointError("this is no checkpoint of torch", where=path)
