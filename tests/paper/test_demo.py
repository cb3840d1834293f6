"""Packed runs, and the demo that measures two of them: small, loadable as any other, the same where they should be."""

import importlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import jax
import numpy as np
import pytest
from tiny_runs import TD3_SIZES, launch

import landscapes
from landscapes import storage
from landscapes.config.launch import run_entry_point
from landscapes.demo import __main__ as demo
from landscapes.experience.replay import Replay
from landscapes.paper.__main__ import main as paper

pytestmark = pytest.mark.usefixtures("shared_programs")

TINY = ["run_name=long", "experiment.env_name=tests.support.shown.make", *TD3_SIZES]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("long")
    assert launch("run_algorithm", results, *TINY) == 0
    return results


def test_a_packed_run_has_the_checkpoints_and_rows_of_the_log_that_they_saw(trained: Path, tmp_path: Path) -> None:
    words = ["pack", "long", "1", "40", "60", "rows=25", "name=small", f"out={tmp_path}", f"results_dir={trained}"]
    assert paper(words) == 0
    run = storage.open_run(tmp_path, "small")
    assert run.record["packed"] == [{"run": "long", "seed": 1, "step": step} for step in (40, 60)]
    assert str(trained) not in (run.path / "run.json").read_text(), "it is carried to other machines"
    for seed, step in enumerate((40, 60)):
        whole = landscapes.load("long", 1, step, trained).state
        packed = landscapes.load("small", seed, step, tmp_path).state
        jax.tree.map(np.testing.assert_array_equal, packed.learner, whole.learner)
        jax.tree.map(np.testing.assert_array_equal, packed.lanes, whole.lanes)
        few, all_of_them = packed.log, whole.log
        assert isinstance(few, Replay)
        assert isinstance(all_of_them, Replay)
        assert (int(few.count), len(few.data.reward)) == (25, 25)
        present = {row.tobytes() for row in np.asarray(all_of_them.data.obs)}
        own = [row.tobytes() for row in np.asarray(few.data.obs)]
        assert set(own) <= present
    assert len(landscapes.load("small", 0, 40, tmp_path).state.log.data.reward) == 25
    words = ["pack", "long", "1", "40", "rows=9999", "name=all", f"out={tmp_path}", f"results_dir={trained}"]
    assert paper(words) == 0
    assert int(landscapes.load("all", 0, 40, tmp_path).state.log.count) == 40, "no more than there are"


@pytest.mark.parametrize(
    "words, line",
    [
        (["pack", "long", "0"], "pack=long 0: wants RUN SEED STEP..."),
        (["pack", "long", "0", "last"], "pack=long 0 last: wants RUN SEED STEP..."),
        (["pack", "nobody", "0", "40"], "pack=nobody: there is no such run"),
        (["pack", "long", "7", "40"], "pack=7: run long has seeds 0..1"),
        (["pack", "long", "0", "41"], "pack=41: seed 0 of run long has checkpoints 40, 60"),
        (["pack", "long", "0", "40", "rows=0"], "rows=0: must be an integer, at least 1"),
        (["pack", "long", "0", "40", "row=9"], "row=9: no such key; did you mean rows"),
    ],
)
def test_a_mistake_is_one_line_and_nothing_is_packed(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], line: str
) -> None:
    assert paper([*words, f"out={tmp_path / 'out'}", f"results_dir={trained}"]) == 2
    captured = capsys.readouterr()
    assert line in captured.err
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_demo_measures_both_and_makes_the_page(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data, results = tmp_path / "data", tmp_path / "results"
    for name, step in zip(demo.PAIR, ("40", "60"), strict=True):
        assert paper(["pack", "long", "0", step, f"name={name}", f"out={data}", f"results_dir={trained}"]) == 0
    monkeypatch.setattr(demo, "DATA", data)

    def here(command: Sequence[str]) -> int:
        module, *words = command
        if module == "eval_policy":
            return run_entry_point(module, [*words, "experiment.episode_length=10"])
        return int(importlib.import_module(f"{module}.__main__").main(words))

    told = ["--samples", "5", "--no-browser", "--results-dir", str(results)]
    assert demo.main(told, here) == 0
    out = capsys.readouterr().out
    assert "Returns one TD3 update away" in out
    assert "$ python -m eval_policy experiment.run_name=demo_noisy" in out
    page = results / "demo_calm" / "report.html"
    assert f"Open {page} in a browser" in out
    assert "demo_noisy" in page.read_text()
    assert demo.main(told, here) == 0, "a second time it is measured already"
    shutil.rmtree(results / "demo_noisy")
    storage.create_run(results, "demo_noisy", {"num_seeds": 1}, overwrite=False)
    assert demo.main(told, lambda _: pytest.fail("ran")) == 2
    assert "demo=demo_noisy" in capsys.readouterr().err
    assert demo.main(["--samples", "0"], lambda _: pytest.fail("ran")) == 2


def test_what_ships_is_a_pair_of_packed_runs() -> None:
    for name in demo.PAIR:
        run = storage.open_run(demo.DATA, name, "demo")
        assert len(run.checkpoint_steps(0)) == 1
        assert run.num_seeds == len(run.record["packed"]) == 1
        env, algorithm, state = landscapes.load(name, results_dir=demo.DATA)
        assert (env.name, algorithm.name) == ("hopper", "td3")
        assert isinstance(state.log, Replay)
        assert sum(path.stat().st_size for path in run.path.rglob("*")) < 6e6
