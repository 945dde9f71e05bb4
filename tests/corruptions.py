"""Seeded ways in which a file can be damaged: from its bytes to other bytes.

`CORRUPTIONS=40` sets how many of each kind the tests try; `make torture` tries that many.
"""

import os

import numpy as np

EACH = int(os.environ.get("CORRUPTIONS", "10"))


def truncated(whole: bytes, rng: np.random.Generator) -> bytes:
    return whole[: rng.integers(1, len(whole))]


def bit_flipped(whole: bytes, rng: np.random.Generator) -> bytes:
    damaged = bytearray(whole)
    damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
    return bytes(damaged)


def emptied(whole: bytes, rng: np.random.Generator) -> bytes:
    """Of the same length, and zero from some place on, as after a power cut; sometimes no byte at all."""
    kept = int(rng.integers(-len(whole) // 8, len(whole)))
    return whole[:kept] + bytes(len(whole) - kept) if kept > 0 else b""


def zero_filled(whole: bytes, rng: np.random.Generator) -> bytes:
    """A block of a disk is lost."""
    size = min(int(rng.choice([16, 512, 4096])), len(whole))
    place = int(rng.integers(len(whole) // size)) * size
    return whole[:place] + bytes(min(size, len(whole) - place)) + whole[place + size :]


def appended(whole: bytes, rng: np.random.Generator) -> bytes:
    """Rubbish, zeros or a second copy behind it."""
    behind = (rng.bytes(int(rng.integers(1, 1000))), bytes(int(rng.integers(1, 5000))), whole)
    return whole + behind[rng.integers(3)]


KINDS = (truncated, bit_flipped, emptied, zero_filled, appended)
