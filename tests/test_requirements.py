"""The lists of packages agree: pyproject.toml (names, ranges), requirements.txt (versions), constraints.txt (all).

Knows the files only; asks no registry and looks at no installed package.
"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[1]
OPTIONAL = ("atari_requirements.txt", "gymnasium_requirements.txt", "playground_requirements.txt")
FILES = ("requirements.txt", "test_requirements.txt", *OPTIONAL)


def pins(name: str) -> dict[str, str]:
    """The `package==version` lines of a requirements file, package names normalised."""
    lines = (ROOT / name).read_text().splitlines()
    found = [re.fullmatch(r"([\w.-]+)==(\S+)", line.partition("#")[0].strip()) for line in lines]
    return {re.sub(r"[-_.]+", "-", match[1]).lower(): match[2] for match in found if match}


def test_declared_dependencies_are_the_pinned_ones() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = [package for extra in project["optional-dependencies"].values() for package in extra]
    declared = [*project["dependencies"], *optional]
    pinned = {package: version for name in ("requirements.txt", *OPTIONAL) for package, version in pins(name).items()}
    ranges = {found.name.lower(): found.specifier for found in map(Requirement, declared)}
    assert sorted(ranges) == sorted(pinned)
    assert [name for name, version in pinned.items() if version not in ranges[name]] == []


@pytest.mark.parametrize("name", FILES)
def test_constraints_agree(name: str) -> None:
    constraints = pins("constraints.txt")
    assert pins(name) == {package: constraints.get(package) for package in pins(name)}


@pytest.mark.parametrize("name", [*FILES, "constraints.txt"])
def test_every_requirement_is_pinned(name: str) -> None:
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text().splitlines()]
    packages = [line for line in lines if line and not line.startswith("-")]
    assert len(packages) == len(pins(name))


def test_mujoco_and_mjx_are_one_version() -> None:
    versions = pins("requirements.txt")
    assert versions["mujoco"] == versions["mujoco-mjx"]
