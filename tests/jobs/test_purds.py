"""Measuring end to end on a point mass: what it writes, prints, repeats and leaves alone."""

import re
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from tiny_runs import CHECKPOINTS, RUNS, UPDATE, purd, returns, snapshot

import landscapes
from landscapes import statistics
from landscapes.studies import measurement

pytestmark = pytest.mark.usefixtures("shared_programs")


@pytest.mark.parametrize(
    "name, kind, amount",
    [
        ("td", "td3_optimization", "0.0003"),
        ("td", "td3_opt_with_action", "0"),
        ("sa", "sac_optimization", "0.0003"),
        ("pp", "ppo_optimization", "0"),
        *[(name, kind, "0.1") for name in RUNS for kind in ("action", "parameter", "init_parameter", "init_state")],
    ],
)
def test_every_kind_measures(results: Path, name: str, kind: str, amount: str) -> None:
    assert purd(results, name, kind=kind, amount=amount) == 0
    values = returns(results, name, CHECKPOINTS[name][-1], f"{kind}/{amount}/6")
    assert values.shape == (6,)
    assert np.isfinite(values).all()
    assert len(set(values.tolist())) > 1


@pytest.mark.usefixtures("own_programs")
def test_the_same_command_measures_the_same_numbers(results: Path) -> None:
    measured = []
    for _ in range(2):
        assert purd(results, "td", "overwrite=true") == 0
        measured.append(returns(results, "td", 60, "td3_optimization/0.001/6"))
    np.testing.assert_array_equal(*measured)
    assert purd(results, "td", "random_seed=5", "overwrite=true") == 0
    assert (returns(results, "td", 60, "td3_optimization/0.001/6") != measured[0]).any()


def test_what_was_measured_is_not_measured_again(
    results: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purd(results, "td") == 0
    table = capsys.readouterr().out.partition("returns under")[2].partition("Wrote")[0]
    before = snapshot(results)
    with pytest.MonkeyPatch.context() as once:
        once.setattr(measurement.rollout, "make_engine", None)  # whatever measures now fails
        assert purd(results, "td") == 0
    out = capsys.readouterr().out
    assert "1 of 1 were measured before" in out
    assert out.partition("returns under")[2].partition("Wrote")[0] == table
    assert {p: x for p, x in snapshot(results).items() if p.suffix == ".h5"} == {
        p: x for p, x in before.items() if p.suffix == ".h5"
    }
    assert purd(results, "td", amount="0.001,0.002") == 0
    assert "1 of 2 were measured before" in capsys.readouterr().out
    assert len(returns(results, "td", 60, "td3_optimization/0.002/6")) == 6


@pytest.mark.parametrize("other", ["random_seed=5", "experiment.episode_length=9", "experiment.discount=0.9"])
def test_what_was_measured_under_other_settings_is_not_replaced_unasked(
    results: Path, other: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert purd(results, "td") == 0
    before = snapshot(results)
    capsys.readouterr()
    assert purd(results, "td", other) == 2
    error = capsys.readouterr().err
    assert error.startswith(other) and "overwrite=true" in error and error.count("\n") == 1
    assert snapshot(results) == before


def test_any_batch_size_gives_the_same_distribution(results: Path) -> None:
    measured = {}
    for batch_size in (1, 4, 6, 100):
        assert purd(results, "td", f"experiment.batch_size={batch_size}", "overwrite=true") == 0
        measured[batch_size] = returns(results, "td", 60, "td3_optimization/0.001/6")
    for values in measured.values():
        np.testing.assert_allclose(values, measured[6], rtol=1e-5)


def test_measurements_of_one_checkpoint_share_a_file(results: Path) -> None:
    assert purd(results, "td") == 0
    assert purd(results, "td", "experiment.eval_episodes=1", kind="action", amount="0.1,2") == 0
    with h5py.File(results / "td" / "seed0" / "s0_returns_60.h5") as file:
        assert file["td3_optimization/0.001/6"].shape == (6,)
        assert file["action/0.1/1"].shape == file["und_returns/action/2/1"].shape == (1,)
        discounted, plain = file["action/2/1"], file["und_returns/action/2/1"]
        assert discounted[0] != plain[0]
        assert "program_shape" in plain.attrs


def test_an_update_of_length_zero_changes_nothing(results: Path) -> None:
    assert purd(results, "td", amount="0") == 0
    assert purd(results, "td", kind="action", amount="0") == 0
    still = returns(results, "td", 60, "td3_optimization/0/6")
    np.testing.assert_allclose(still, returns(results, "td", 60, "action/0/6"), rtol=1e-5)
    assert np.ptp(still) == 0


@pytest.mark.parametrize("name, same", [("td", "0.0003"), ("sa", "0"), ("pp", "0")])
def test_null_is_the_rate_of_the_run(results: Path, name: str, same: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert purd(results, name, amount="null") == 0
    assert re.search(rf"\b{CHECKPOINTS[name][-1]} +own ", capsys.readouterr().out)
    assert purd(results, name, amount=same) == 0
    step, kind = CHECKPOINTS[name][-1], UPDATE[name]
    own, given = (returns(results, name, step, f"{kind}/{amount}/6") for amount in ("own", same))
    np.testing.assert_allclose(own, given, rtol=1e-5)
    assert np.ptp(own) > 0
    assert purd(results, name, amount="null") == 0
    assert "1 of 1 were measured before" in capsys.readouterr().out


def test_a_notebook_measures_a_checkpoint_in_ten_lines(results: Path) -> None:
    env, algorithm, state = landscapes.load("td", seed=0, step=60, results_dir=results)
    env = env._replace(episode_length=10)
    measure = measurement.make_measure(
        env, algorithm, measurement.Sampling("td3_optimization", 6, amount_sets_rate=True), 6
    )
    found = measure.measure(jax.random.key(4321), state, 0.001)
    assert purd(results, "td") == 0
    np.testing.assert_array_equal(found.returns, returns(results, "td", 60, "td3_optimization/0.001/6"))
    assert statistics.summarize(found.returns)["num_samples"] == 6
