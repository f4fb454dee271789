"""The precision that trainings are asked for: said in one place, as it decides about their results."""

import os
from typing import Literal, get_args

Precision = Literal["32-true", "bf16-mixed"]
FULL: Precision = "32-true"


def wanted_precision() -> Precision:
    """What `ASTROLIB_PRECISION` says, in Fabric's words; "32-true" if it is not set.

    A training in any other precision is a run of its own: the name is part of its settings, and with it of
    the name of its folder.

    Raises
    ------
    ValueError
        If the variable holds anything else.

    Examples
    --------
    >>> wanted_precision()
    '32-true'
    """
    wanted = os.environ.get("ASTROLIB_PRECISION") or FULL
    if wanted not in get_args(Precision):
        raise ValueError(
            f"ASTROLIB_PRECISION is {wanted!r}: it must be one of {', '.join(get_args(Precision))}, or not "
            "set, which means 32-true."
        )
    return wanted
