"""What wandb is given by training and by a walk, without an account."""

import json
from pathlib import Path

import pytest
from tiny_runs import TINY_TD3, launch, walk

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("offline")
def test_training_is_recorded_by_wandb_without_an_account(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=seen", *TINY_TD3, "wandb.mode=offline") == 0
    record = json.loads((tmp_path / "seen" / "run.json").read_text())
    assert record["wandb_id"]
    logs = list((tmp_path / "seen" / "wandb").glob("offline-run-*/*.wandb"))
    assert len(logs) == 1
    content = logs[0].read_bytes()
    for word in (b"seed0/return", b"seed1/return", b"return/iqm", b"return/mean", b"result_dir", b"mean/critic_loss"):
        assert word in content
    assert "wandb sync" in capsys.readouterr().out


@pytest.mark.usefixtures("offline")
def test_a_walk_is_recorded_by_wandb(results: Path) -> None:
    assert walk(results, "td", "wandb.mode=offline") == 0
    logs = list((results / "td_s0_c60_0.1cvar_0" / "wandb").glob("offline-run-*/*.wandb"))
    content = logs[0].read_bytes()
    for word in (b"PURD mean", b"PURD LTP", b"PURD CVaR"):
        assert word in content
