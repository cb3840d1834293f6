"""Stand-ins for the experiments, so that command lines are tried without anything being compiled."""

import sys
from pathlib import Path
from types import ModuleType

import pytest

from landscapes.config import launch
from landscapes.config.job import Job
from landscapes.config.kinds import KINDS


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Job]:
    """The jobs that experiments were called with; the process stands in an empty folder, its results in another."""
    ran: list[Job] = []
    for entry_point, kinds in KINDS.items():
        for kind in kinds:
            stand_in = ModuleType(f"{entry_point}.experiments.{kind}")
            stand_in.run = ran.append  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, stand_in.__name__, stand_in)
    monkeypatch.setattr(launch, "set_up_runtime", lambda *_: None)
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path / "results"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return ran
