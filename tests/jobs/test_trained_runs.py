"""Training end to end on a point mass: what it writes, prints and repeats."""

import json
import re
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from tiny_runs import CHECKPOINTS, RUNS, TINY_TD3, launch

from landscapes import storage, training
from run_algorithm.curves import Curves

pytestmark = pytest.mark.usefixtures("shared_programs")


def test_a_dead_seed_is_named_trains_on_and_is_stored(
    trained_runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A last layer so large that the tanh of every action is flat in float32; the published one leaves these alone."""
    assert json.loads((trained_runs / "td" / "run.json").read_text())["dead"] == {}
    saturated = [*TINY_TD3, "experiment.ddpg_config.final_fc_init_scale=1e6"]
    assert launch("run_algorithm", tmp_path, "run_name=flat", *saturated) == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "flat" / "run.json").read_text())
    assert record["dead"] == {"0": 40, "1": 40}, "40 is the first log point with updates before it"
    assert (record["diverged"], record["status"]) == ({}, "finished")
    for seed in range(2):
        assert out.count(f"seed {seed} is dead at step 40") == 1
        assert re.search(rf"^seed {seed} .*dead since step 40", out, re.MULTILINE)
        assert (tmp_path / "flat" / f"seed{seed}" / "ckpt_60.h5").exists()
    assert launch("run_algorithm", tmp_path, "run_name=flat", *saturated, "experiment.max_steps=80") == 0
    assert "is dead" not in capsys.readouterr().out, "what a run goes on from is known already"
    assert json.loads((tmp_path / "flat" / "run.json").read_text())["dead"] == {"0": 40, "1": 40}


def test_which_seeds_are_dead_follows_from_what_was_logged() -> None:
    """Columns: never, at the end, at first and then no more, never reported, between reports of nothing."""
    nan = np.nan
    curves = Curves(storage.Run(Path("none"), {}), 5)
    for step, norms in enumerate(
        [[1.0, 1.0, 0.0, nan, 0.0], [1.0, 1e-9, 1e-8, nan, nan], [2e-8, 0.0, 1e-3, nan, 0.0]], start=1
    ):
        curves.add_training(step * 1000, {"actor_grad_norm": np.array(norms)})
    assert curves.dead() == {1: 2000, 4: 1000}
    other = Curves(storage.Run(Path("none"), {}), 1)
    other.add_training(1000, {"grad_norm": np.zeros(1)})
    assert other.dead() == {}, "of an algorithm that does not report it, nothing is known"


@pytest.mark.parametrize("name", RUNS)
def test_a_run_folder_is_whole(trained_runs: Path, name: str) -> None:
    record = json.loads((trained_runs / name / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["num_seeds"] == 2
    assert {"versions", "git", "machine", "config", "algorithm", "environment"} <= set(record)
    for seed in range(2):
        for step in CHECKPOINTS[name]:
            with h5py.File(trained_runs / name / f"seed{seed}" / f"ckpt_{step}.h5") as file:
                assert file.attrs["step"] == step
                assert file.attrs["log_rows"] == (0 if name == "pp" else step)
    with h5py.File(trained_runs / name / "curves.h5") as file:
        steps, curves = file["steps"][:], file["returns"][:]
        assert list(steps) == sorted(set(steps))
        assert steps[0] == 0
        assert curves.shape == (len(steps), 2)
        assert file["episode_returns"].shape == (len(steps), 2, 3)
        np.testing.assert_allclose(file["episode_returns"][:].mean(2), curves, rtol=1e-5)
        assert np.isfinite(curves).all()
        assert np.isfinite(file["training/steps"][:]).all()


@pytest.mark.parametrize(
    "name, metrics",
    [
        ("td", {"actor_loss", "critic_loss", "q1", "q2", "actor_grad_norm", "critic_grad_norm"}),
        ("sa", {"actor_loss", "critic_loss", "entropy", "temperature", "temperature_loss", "actor_grad_norm"}),
        ("pp", {"policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "grad_norm", "learning_rate"}),
        ("pp", {f"{whose}_grad_norm{what}" for whose in ("actor", "critic") for what in ("", "_var", "_cv")}),
    ],
)
def test_every_loss_term_is_stored_for_every_seed(trained_runs: Path, name: str, metrics: set[str]) -> None:
    with h5py.File(trained_runs / name / "curves.h5") as file:
        stored = file["training"]
        assert metrics <= set(stored)
        for metric in metrics:
            assert stored[metric].shape == (len(stored["steps"]), 2)
            assert np.isfinite(stored[metric][:]).any(axis=0).all()


def test_the_stored_data_holds_both_ends_of_episodes(trained_runs: Path) -> None:
    with h5py.File(trained_runs / "td" / "seed0" / "replay_0_40.h5") as file:
        assert file["truncated"][:].any()
        assert not (file["truncated"][:] & file["terminated"][:]).any()
        obs, next_obs, ended = file["obs"][:], file["next_obs"][:], file["truncated"][:] | file["terminated"][:]
    follows = np.isclose(next_obs[:-1], obs[1:]).all(axis=1)
    assert follows[~ended[:-1]].all()
    assert not follows[ended[:-1]].any(), "the next observation after an end is the true one, not the fresh start"


def test_seeds_have_random_streams_of_their_own(trained_runs: Path) -> None:
    with (
        h5py.File(trained_runs / "td/seed0/replay_0_40.h5") as one,
        h5py.File(trained_runs / "td/seed1/replay_0_40.h5") as two,
    ):
        assert not np.isclose(one["action"][:], two["action"][:]).all(axis=1).any()
        assert not np.allclose(one["obs"][0], two["obs"][0])


@pytest.mark.usefixtures("own_programs")
def test_the_same_command_trains_the_same_numbers(trained_runs: Path, tmp_path: Path) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=td", *TINY_TD3) == 0
    for name in ("seed0/ckpt_60.h5", "seed1/replay_40_60.h5", "curves.h5"):
        with h5py.File(trained_runs / "td" / name) as one, h5py.File(tmp_path / "td" / name) as two:
            names: list[str] = []
            one.visititems(lambda n, x, names=names: names.append(n) if isinstance(x, h5py.Dataset) else None)
            assert names
            for dataset in names:
                np.testing.assert_array_equal(one[dataset][()], two[dataset][()], err_msg=dataset)


def test_a_diverged_seed_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [a for a in TINY_TD3 if "hidden_dims" not in a and "num_seeds" not in a and "start_training" not in a]
    arguments += ["experiment.algo=tests.support.poisoned.make", "experiment.num_seeds=4"]
    assert launch("run_algorithm", tmp_path, "run_name=sick", *arguments, "experiment.start_training=20") == 0
    out = capsys.readouterr().out
    record = json.loads((tmp_path / "sick" / "run.json").read_text())
    sick = {int(seed) for seed in record["diverged"]}
    keys = training.member_keys(record["random_seed"], 4).init
    own = jax.vmap(jax.random.split)(keys)[:, 0]  # the algorithm's; the other one starts the lanes
    expected = {i for i in range(4) if float(jax.random.uniform(own[i])) > 0.5}
    assert expected not in (set(), {0, 1, 2, 3}), "choose another seed: this test wants some of each"
    assert sick == expected
    for seed in range(4):
        assert (f"seed {seed} has diverged" in out) == (seed in sick)
        assert (tmp_path / "sick" / f"seed{seed}" / "ckpt_60.h5").exists() == (seed not in sick)
    with h5py.File(tmp_path / "sick" / "curves.h5") as file:
        healthy = [seed for seed in range(4) if seed not in sick]
        assert np.isfinite(file["returns"][:, healthy]).all()
    mean = np.mean([float(x) for x in re.findall(r"^seed \d\s+(-?[\d.]+)\s*$", out, re.MULTILINE)])
    assert float(re.findall(r"^mean\s+(-?[\d.]+)", out, re.MULTILINE)[0]) == pytest.approx(mean, abs=0.1)


def test_a_job_says_beforehand_what_it_will_take(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert launch("run_algorithm", tmp_path, "run_name=plan", *TINY_TD3) == 0
    out = capsys.readouterr().out
    plan, rest = out[: out.index("Return after")], out[out.index("Return after") :]
    for word in ("seeds", "environment steps", "120 in all", "memory", "checkpoints", "device"):
        assert word in plan
    for file in ("run.json", "curves.h5", "ckpt_60.h5"):
        assert file in rest
