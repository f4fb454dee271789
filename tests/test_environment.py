"""environment.yml, pyproject.toml, requirements.lock and what is installed say the same."""

import itertools
import re
import sys
import tomllib
from importlib.metadata import version

import pytest
import torch
import torchvision
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from astrolib import paths

PYPROJECT = tomllib.loads((paths.project() / "pyproject.toml").read_text())
LOCK = (paths.project() / "requirements.lock").read_text()
CONDA = yaml.safe_load((paths.project() / "environment.yml").read_text())

# One entry is `name==version ; marker \` and its hashes, each on an indented line.
ENTRIES = re.split(r"\n(?=\S)", re.sub(r"^\s*#.*\n", "", LOCK, flags=re.M).strip())
PINS = [Requirement(entry.partition(" \\\n")[0]) for entry in ENTRIES]
PROJECT = PYPROJECT["project"]
HERE = [pin for pin in PINS if pin.marker is None or pin.marker.evaluate()]
EXTRAS = PROJECT["optional-dependencies"].values()
WANTED = [*PROJECT["dependencies"], *itertools.chain.from_iterable(EXTRAS)]


def pins_of(name: str) -> list[Requirement]:
    return [pin for pin in PINS if canonicalize_name(pin.name) == canonicalize_name(name)]


@pytest.mark.parametrize("line", WANTED)
def test_lock_pins_every_dependency_within_its_bounds(line):
    wanted = Requirement(line)
    pins = pins_of(wanted.name)
    assert any(pin in HERE for pin in pins)
    assert all(wanted.specifier.contains(str(pin.specifier).removeprefix("==")) for pin in pins)


def test_every_pin_is_one_version_with_hashes():
    assert len(PINS) > len(WANTED)
    for pin, entry in zip(PINS, ENTRIES, strict=True):
        assert re.fullmatch(r"==[^,*]+", str(pin.specifier)), pin
        hashes = entry.splitlines()[1:]
        assert hashes, pin
        assert all(re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line) for line in hashes), pin


def test_lock_names_no_registry():
    assert not re.search(r"://|--index|--find-links|--extra-index", LOCK)


def test_lock_is_what_is_installed():
    installed = {pin: version(pin.name) for pin in HERE}
    assert not {pin: found for pin, found in installed.items() if not pin.specifier.contains(found)}


def test_torch_and_torchvision_are_the_pair_of_the_lock_and_work_together():
    pair = [Requirement(line) for line in PYPROJECT["tool"]["uv"]["constraint-dependencies"]]
    assert [pin.name for pin in pair] == ["torch", "torchvision"]
    assert [pins_of(pin.name) for pin in pair] == [[pin] for pin in pair]
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 1.9], [3.0, 3.0, 4.0, 4.0]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.5).tolist() == [0, 2]


def test_conda_installs_an_allowed_python_and_the_same_lock():
    assert CONDA["channels"] == ["conda-forge"]
    *packages, from_pip = CONDA["dependencies"]
    python = next(line.removeprefix("python=") for line in packages if line.startswith("python="))
    assert "pip" in packages and SpecifierSet(PROJECT["requires-python"]).contains(f"{python}.0")
    # pip refuses `-e .` in a file that has hashes: astrolib itself is installed by make.
    assert from_pip == {"pip": ["-r requirements.lock"]}
    assert f"--python-version {python}" in LOCK.splitlines()[1]


def test_python_of_these_tests_is_supported():
    assert SpecifierSet(PROJECT["requires-python"]).contains("{}.{}.{}".format(*sys.version_info))
