"""The runs that tests of jobs start from; a module that wants others has its own `results`."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def results(trained_runs: Path, tmp_path: Path) -> Path:
    """A copy of the trained runs, to write in."""
    return Path(shutil.copytree(trained_runs, tmp_path / "results"))
