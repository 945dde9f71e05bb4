"""Freed memory stays with the process: on a CPU a training step otherwise asks the system for it again and again."""

import ctypes
import platform

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""mallopt's parameters, from glibc's malloc.h."""


def keep_freed_memory() -> bool:
    """Tells glibc to reuse blocks of up to 32 MiB (its maximum) and to keep up to 1 GiB of freed memory.

    By default every activation of some megabytes is mapped anew and zeroed page by page, thousands of page faults a
    step of a small model. Elsewhere than on glibc nothing is done.

    Returns:
        Whether both were accepted.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(MMAP_THRESHOLD, 32 * 2**20)) and bool(mallopt(TRIM_THRESHOLD, 2**30))
