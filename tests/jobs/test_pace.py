"""What a job says that it will take, and what it took."""

import json
from pathlib import Path

import jax
import pytest
from tiny_runs import snapshot

from landscapes import console
from landscapes.config.launch import run_entry_point
from landscapes.jobs import pace
from landscapes.jobs.pace import NOT_KNOWN, Pace, Planned
from tests.jobs.test_identity import POINT, train


@pytest.fixture(autouse=True)
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where paces are kept: in a folder of the test."""
    path = tmp_path / "cache" / "paces.json"
    monkeypatch.setattr(pace, "_path", lambda: path)
    pace.take_planned()
    return path


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def run(each: Pace, units: int, seconds: float) -> None:
    """A job that compiles for ten seconds and then works."""
    clock = Clock()
    with console.Progress("job", units, False, clock=clock) as progress:
        with progress.meanwhile("compiling"):
            clock.now += 10.0
        for done in (units // 2, units):
            clock.now += seconds / 2
            progress.advance_to(done)
    each.note(progress)


def test_the_second_job_of_a_kind_knows_how_long_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    first = Pace({"job": "train", "width": 8}, "steps")
    assert first.told(200) == NOT_KNOWN
    run(first, 200, 20.0)
    assert capsys.readouterr().out == "took 30 s, 20 s of it beside compiling\n"
    second = Pace({"width": 8, "job": "train"}, "steps")
    assert second.told(600).startswith("about 1 min 00 s beside compiling, at 10 steps a second as on 20")
    run(second, 600, 30.0)
    assert capsys.readouterr().out == "took 40 s, 30 s of it beside compiling; planned 1 min 00 s beside compiling\n"
    assert Pace({"job": "train", "width": 8}, "steps").told(200).startswith("about 10 s beside compiling, at 20 ")


def test_another_shape_is_not_known() -> None:
    run(Pace({"job": "train", "width": 8}, "steps"), 200, 20.0)
    assert Pace({"job": "train", "width": 9}, "steps").told(1) == NOT_KNOWN
    assert Pace({"job": "train", "width": 8}, "samples").told(1) == NOT_KNOWN


def test_too_short_a_job_says_nothing_about_others(kept: Path) -> None:
    run(Pace({"job": "train"}, "steps"), 200, 0.5)
    assert not kept.exists()


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"per_second": 0.0}}', "\udcff"])
def test_a_damaged_file_is_none(kept: Path, text: str) -> None:
    each = Pace({"job": "train"}, "steps")
    kept.parent.mkdir()
    kept.write_text(text, encoding="utf-8", errors="surrogateescape")
    assert each.told(10) == NOT_KNOWN
    run(each, 200, 20.0)
    assert len(json.loads(kept.read_text())) == 1


def test_of_several_jobs_the_sum_is_told() -> None:
    assert pace.told_in_all([Planned(None), Planned(None)]) == NOT_KNOWN
    assert pace.told_in_all([Planned(60.0), Planned(30.0)]) == "about 1 min 30 s one after the other"
    told = pace.told_in_all([Planned(60.0), Planned(None), Planned(30.0)])
    assert told == "about 1 min 30 s one after the other, and 1 of which nothing is known yet"


def test_a_cache_that_cannot_be_written_costs_nothing(kept: Path) -> None:
    kept.parent.write_text("no folder")
    run(Pace({"job": "train"}, "steps"), 200, 20.0)


def dry(entry_point: str, results: Path, *arguments: str) -> None:
    """Runs it dry; nothing is written."""
    before = snapshot(results)
    assert run_entry_point(entry_point, [*arguments, "dry_run=true", "use_wandb=false", f"results_dir={results}"]) == 0
    assert snapshot(results) == before


def test_a_dry_run_of_every_kind_shows_its_plan_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results"
    train(results, "a")
    capsys.readouterr()
    root = "root=a/0/20"
    for entry_point, arguments in (
        ("run_algorithm", [*POINT, "run_name=b"]),
        ("run_algorithm", ["experiment=train_bc", root]),
        ("eval_policy", ["experiment=neighborhood", "run=a"]),
        ("eval_policy", [root]),
        ("eval_policy", ["experiment=policy_interpolation_seed", "run=a", "same_seed=true"]),
        ("eval_policy", ["experiment=landscape_slice", root]),
        ("improve_ltp", ["experiment=reject_ltp", root]),
    ):
        dry(entry_point, results, *arguments)
        shown = capsys.readouterr().out
        assert shown.count(NOT_KNOWN) == 1
        assert shown.endswith("dry run: nothing was written\n")


def test_a_dry_run_of_a_sweep_adds_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "_read", lambda: _Always())
    dry("run_algorithm", tmp_path, "--multirun", *POINT, "seed=1,2,3", "run_name=b")
    assert capsys.readouterr().out.splitlines()[-1] == "in all 3 members: about 1 min 00 s one after the other"


class _Always(dict[str, dict[str, object]]):
    """As if twenty steps took twenty seconds, of any shape."""

    def get(self, key: str, default: object = None) -> dict[str, object]:  # type: ignore[override]
        return {"per_second": 1.0, "measured": "2026-11-29"}


def test_a_pace_depends_on_the_device() -> None:
    assert Pace({"job": "train"}, "steps")._shape["devices"] == len(jax.devices())
