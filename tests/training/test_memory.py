import sys

import numpy as np
import pytest

from astrolib.training import memory
from astrolib.training.memory import memory_kept
from astrolib.training.timing import _resident_mib

GLIBC = pytest.mark.skipif(memory._glibc() is None, reason="only glibc can be told")


def arrays_made_and_freed() -> None:
    """400 MiB in pieces that come from the heap."""
    made = [np.ones(2**17) for _ in range(400)]
    del made


@GLIBC
def test_what_is_freed_is_kept_inside_and_handed_back_at_the_end():
    with memory_kept():
        before = _resident_mib("VmRSS")
        arrays_made_and_freed()
        kept = _resident_mib("VmRSS") - before
    assert kept > 300
    assert _resident_mib("VmRSS") - before < 100
    arrays_made_and_freed()
    assert _resident_mib("VmRSS") - before < 150  # as glibc does unasked


def test_an_exception_passes_and_ends_the_keeping(monkeypatch):
    with pytest.raises(ZeroDivisionError), memory_kept():
        _ = 1 / 0
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with memory_kept():  # another C library: nothing to tell
        arrays_made_and_freed()


def test_systems_without_these_functions_are_left_alone(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: sys)
    assert memory._glibc() is None
