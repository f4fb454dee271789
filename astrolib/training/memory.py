"""Memory that a training frees and asks for again, at every step."""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager

# Parameters of glibc's mallopt; its own adjustment of the thresholds ends at these values.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_UNASKED = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 64 * 2**20, _TOP_PAD: 0}
_KEEPING = {_MMAP_THRESHOLD: 32 * 2**20, _TRIM_THRESHOLD: 2**31 - 1, _TOP_PAD: 64 * 2**20}


@contextmanager
def memory_kept() -> Iterator[None]:
    """Let the C library keep what is freed inside, for the next step, and hand it back at the end.

    On the CPU a step's activations are freed and allocated anew. What is handed back to the system in between
    comes back as pages that must be cleared and mapped again. Arrays above 32 MB are handed back all the
    same. Only glibc (Linux) is told; elsewhere nothing happens.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    for parameter, value in _KEEPING.items():
        libc.mallopt(parameter, value)
    try:
        yield
    finally:
        for parameter, value in _UNASKED.items():
            libc.mallopt(parameter, value)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    try:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version, libc.mallopt, libc.malloc_trim  # noqa: B018
    except (OSError, AttributeError, TypeError):  # no such functions; Windows has no library of that name
        return None
    return libc
