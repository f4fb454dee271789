"""Profiles: every number that differs between a two-minute demonstration and the paper.

A profile is one TOML file beside this module, read into frozen dataclasses. `load("paper")` holds the
papers' own settings; notebooks show a profile's settings beside those.
"""

import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

from astrolib.profiles.anchor import Anchor, ImageSetData
from astrolib.profiles.astrom3 import AstroM3, Discovery, StarData, StarEncoders, StarTraining
from astrolib.profiles.astromae import AstroMAE, Finetuning, GalaxyData, Heads, Pretraining, Transformer
from astrolib.profiles.barlow_twins import (
    Ablations,
    BarlowTwins,
    ConvNet,
    ImageData,
    ImageFinetuning,
    TwoViews,
)
from astrolib.profiles.dual import (
    DetectorData,
    Dual,
    DualAblations,
    DualMasking,
    GraphNetwork,
    GraphTraining,
)
from astrolib.profiles.radial import Radial

__all__ = [
    "Ablations",
    "Anchor",
    "AstroM3",
    "AstroMAE",
    "BarlowTwins",
    "ConvNet",
    "DetectorData",
    "Discovery",
    "Dual",
    "DualAblations",
    "DualMasking",
    "Finetuning",
    "GalaxyData",
    "GraphNetwork",
    "GraphTraining",
    "Heads",
    "ImageData",
    "ImageFinetuning",
    "ImageSetData",
    "Pretraining",
    "Profile",
    "ProfileError",
    "Radial",
    "StarData",
    "StarEncoders",
    "StarTraining",
    "Transformer",
    "TwoViews",
    "available",
    "load",
]

FOLDER = Path(__file__).parent


class ProfileError(ValueError):
    """A profile that does not exist, or that holds a setting nobody knows."""


@dataclass(frozen=True)
class Profile:
    """One named set of numbers for the whole compendium."""

    name: str
    description: str
    astromae: AstroMAE
    astrom3: AstroM3
    barlow: BarlowTwins
    radial: Radial
    anchor: Anchor
    dual: Dual


def available() -> list[str]:
    """Names that `load` accepts."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(name: str) -> Profile:
    """Read a profile.

    Parameters
    ----------
    name : str
        One of `available()`: "demo", "sample", "paper", or a TOML file of your own put beside them.

    Raises
    ------
    ProfileError
        If there is no such profile, or a setting is missing, misspelt or of the wrong kind.

    Examples
    --------
    >>> load("paper").astromae.pretraining.epochs
    2000
    """
    path = FOLDER / f"{name}.toml"
    if not path.is_file():
        raise ProfileError(
            f"There is no profile {name!r}: choose one of {', '.join(available())}, or add {path}."
        )
    try:
        settings = tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"Profile {path} is not valid TOML: {error}.") from None
    return _build(Profile, {"name": name, **settings}, where=name)


def _build(cls: type, settings: dict[str, Any], where: str) -> Any:
    """A dataclass from nested tables, refusing unknown, missing and mistyped settings."""
    kinds = get_type_hints(cls)
    names = {field.name for field in dataclasses.fields(cls)}
    for problem, found in (("unknown", settings.keys() - names), ("missing", names - settings.keys())):
        if found:
            raise ProfileError(f"Profile {where}: {problem} setting {', '.join(sorted(found))}.")
    values = {}
    for key, value in settings.items():
        kind = kinds[key]
        if dataclasses.is_dataclass(kind):
            values[key] = _build(kind, value, f"{where}.{key}")
            continue
        value = tuple(value) if isinstance(value, list) else value
        value = float(value) if kind is float and type(value) is int else value
        if not isinstance(value, getattr(kind, "__origin__", kind)) or (kind is int and type(value) is bool):
            raise ProfileError(f"Profile {where}: {key} = {value!r} should be of type {kind}.")
        values[key] = value
    return cls(**values)
