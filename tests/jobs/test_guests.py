"""Environments of other kinds through all rooms: a discrete task that is traced, and simulators that Python steps."""

import contextlib
import json
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from shared_programs import apart
from tiny_runs import launch

import landscapes
from landscapes.config.launch import run_entry_point
from landscapes.report.__main__ import main as report
from landscapes.studies import cloning
from studies import path_and_slice
from tests.jobs.test_resume import Killed, contents, end_at, kill, train

pytestmark = pytest.mark.usefixtures("shared_programs")

PPO = [
    "experiment=train_ppo",
    "experiment.hidden_dims=[8]",
    "experiment.num_envs=4",
    "experiment.num_steps=8",
    "experiment.total_timesteps=128",
    "experiment.num_seeds=2",
    "experiment.agent_num_logs=2",
    "experiment.eval_episodes=2",
    "experiment.reset_interval=12",
    "experiment.eval_episode_length=12",
]
GUESTS = {
    "cart": [*PPO, "experiment.env_id=CartPole-v1"],
    "walk": [*PPO, "experiment.env_id=tests.support.walkers.make", "experiment.backend=saved"],
}
LAST = 96
SAMPLES = ["experiment.eval_episodes=4", "experiment.episode_length=12"]


@pytest.fixture(scope="module", params=["cart", pytest.param("walk", marks=pytest.mark.slow)])
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    results, name = tmp_path_factory.mktemp("guests"), str(request.param)
    assert launch("run_algorithm", results, f"run_name={name}", *GUESTS[name]) == 0
    return results, name


def test_a_discrete_policy_goes_through_every_study(results: tuple[Path, str]) -> None:
    folder, name = results
    of = [f"experiment.run_name={name}", "experiment.seed=0"]
    root = [f"experiment.root_policy_conf.run_name={name}", f"experiment.root_policy_conf.ckpt={LAST}"]
    measured = [*of, f"experiment.ckpt_indexes=[{LAST}]", *SAMPLES]
    short = ["experiment.episode_length=12", "experiment.noise_amount=0.01"]
    jobs = [
        ("eval_policy", [*measured, "experiment.noise_type=ppo_optimization", "experiment.noise_amounts=[0]"]),
        ("eval_policy", [*measured, "experiment.noise_type=action", "experiment.noise_amounts=[0.0,1.0]"]),
        *path_and_slice(of, LAST, short, slice_samples=2),
        ("improve_ltp", ["experiment=reject_ltp", *root, *SAMPLES, "experiment.max_steps=2"]),
        (
            "run_algorithm",
            [
                "experiment=train_bc",
                *root,
                "experiment.num_seeds=2",
                "experiment.max_steps=60",
                "experiment.lr=0.05",
                "experiment.num_rows=64",
                "experiment.ckpt_steps=[60]",
                "experiment.log_interval=20",
                "experiment.eval_interval=60",
                "experiment.eval_episodes=2",
                "experiment.eval_episode_length=12",
            ],
        ),
    ]
    for entry_point, arguments in jobs:
        assert launch(entry_point, folder, *arguments) == 0, arguments
    with h5py.File(folder / name / "seed0" / f"s0_returns_{LAST}.h5") as file:
        calm, wild = (file[f"und_returns/action/{amount}/4"][:] for amount in ("0.0", "1.0"))
        assert np.ptp(calm) == 0.0 and wild.shape == (4,)  # one start, one policy; with ε = 1 every action is random
        assert "ppo_optimization" in file["und_returns"]
    with h5py.File(folder / f"{name}_s0_c{LAST}_bc_4321" / "curves.h5") as file:
        losses = file["training/held_out_loss"][:]
    assert (losses[-1] < losses[0]).all() and (losses[0] < np.log(2) + 0.2).all()  # nats, of two actions


def test_roll_outs_are_recorded_as_pictures_where_there_are_any(
    results: tuple[Path, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, name = results
    noise = ["experiment.noise_type=init_parameter", "experiment.noise_amounts=[0.5]"]
    asked = [f"experiment.run_name={name}", f"experiment.ckpt_indexes=[{LAST}]", *SAMPLES, *noise]
    expected = 0 if name == "cart" else 2
    assert launch("eval_policy", folder, *asked, "experiment.record_trajectories=1") == expected
    path = folder / name / "seed0" / f"trajectories_{LAST}.h5"
    if expected:
        assert "experiment.record_trajectories=1: must be 0: walk" in capsys.readouterr().err
        assert not path.exists()
        return
    with h5py.File(path) as file, h5py.File(path.with_name(f"s0_returns_{LAST}.h5")) as stored:
        lengths = stored["lengths/init_parameter/0.5/4"][:]
        for role in ("median0", "left_tail0"):
            one = file[f"init_parameter/0.5/4/{role}"]
            assert one["frames"].shape == (lengths[one.attrs["sample"]], 100, 160, 3)
            assert one["frames"].dtype == np.uint8
            assert one.attrs["return"] == one.attrs["stored_return"] == len(one["rewards"])
            assert (one["frames"][0] != one["frames"][-1]).any()
        assert json.loads(file["scene"][()]) == {"picture": [100, 160], "seconds_per_step": 0.02}
    assert report([name, "--out", str(tmp_path / "r.html"), "--results-dir", str(folder)]) == 0
    assert '"pictures": ' in (tmp_path / "r.html").read_text()
    assert report([name, "--gif", str(tmp_path / "r.gif"), "--results-dir", str(folder)]) == 0


def test_cloning_by_cross_entropy_finds_the_policy(results: tuple[Path, str]) -> None:
    folder, name = results
    _, agent, state = landscapes.load(name, 0, LAST, results_dir=folder)
    obs = jax.random.normal(jax.random.key(0), (200, *agent.env.observation.shape))
    pairs = cloning.relabel(agent, state.learner.policy, obs)
    assert pairs.action.dtype == np.int32 and pairs.action.shape == (200,)
    found = np.asarray(cloning.mismatch(agent, state.learner.policy, pairs))
    assert (found >= 0).all() and found.mean() < np.log(2)  # the mode is the likelier of two


def test_what_cannot_act_there_says_what_can(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for algo in ("td3", "sac"):
        arguments = [f"experiment.algo={algo}", "experiment.env_name=CartPole-v1", f"results_dir={tmp_path / 'r'}"]
        assert run_entry_point("run_algorithm", arguments) == 2
        told = capsys.readouterr().err
        assert told == f"experiment.algo={algo}: cannot have actions that are one of 2 choices; ppo, vpg can\n"
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("backend", ["replayed", pytest.param("saved", marks=pytest.mark.slow)])
def test_a_hosted_training_goes_on_where_it_was_killed(
    backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = [
        *("run_name=one", "use_wandb=false", "save_interval=1e-3", f"experiment.backend={backend}"),
        *("experiment.env_name=tests.support.walkers.make_continuous", "experiment.ddpg_config.hidden_dims=[8]"),
        *("experiment.start_training=10", "experiment.max_steps=60", "experiment.agent_log_starts=[30,60]"),
        *("experiment.eval_interval=30", "experiment.log_interval=15", "experiment.eval_episodes=2"),
        *("experiment.reset_interval=12", "experiment.eval_episode_length=12", "experiment.num_seeds=2"),
        *("experiment.critic_batch_size=8", "experiment.actor_batch_size=8"),
    ]
    assert train(tmp_path / "whole", monkeypatch, arguments) == 0
    with pytest.MonkeyPatch.context() as once:
        end_at(once, 4, kill)
        with pytest.raises(Killed):
            train(tmp_path / "broken", monkeypatch, arguments)
    assert json.loads((tmp_path / "broken" / "one" / "run.json").read_text())["status"] != "finished"
    with apart() if backend == "saved" else contextlib.nullcontext():
        assert train(tmp_path / "broken", monkeypatch, arguments) == 0
    assert contents(tmp_path / "broken" / "one") == contents(tmp_path / "whole" / "one")
