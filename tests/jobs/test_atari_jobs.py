"""Atari through all rooms, on the real emulator: training, resume and every study, as small as they can be."""

import json
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from PIL import Image
from tiny_runs import launch

import landscapes
from landscapes.envs import make_environment
from landscapes.report.__main__ import main as report
from landscapes.studies import measurement
from studies import path_and_slice
from tests.jobs.test_resume import Killed, contents, end_at, kill, train

pytestmark = pytest.mark.usefixtures("shared_programs")

TRAIN = [
    "experiment=train_ppo",
    "env=ALE/Breakout-v5",
    "+env_options.life_loss=true",
    "num_envs=8",
    "unroll_length=2",
    "num_minibatches=2",
    "num_epochs=1",
    "steps=64",
    "num_seeds=2",
    "checkpoints=2",
    "eval_interval=64",
    "eval_episodes=1",
    "eval_episode_length=6",
    "episode_length=40",
]
LAST = 48
SAMPLES = ["experiment.eval_episodes=3", "experiment.episode_length=6"]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("atari")
    assert launch("run_algorithm", results, "run_name=screen", *TRAIN) == 0
    return results


def test_a_policy_of_pictures_is_trained_stored_and_measured(results: Path) -> None:
    of = ["experiment.run_name=screen", "experiment.seed=0", f"experiment.ckpt_indexes=[{LAST}]", *SAMPLES]
    amounts = ["experiment.noise_type=ppo_optimization", "experiment.noise_amounts=[0.01]"]
    assert launch("eval_policy", results, *of, *amounts) == 0
    with h5py.File(results / "screen" / "seed0" / f"s0_returns_{LAST}.h5") as file:
        returns = file["und_returns/ppo_optimization/0.01/3"][:]
    assert returns.shape == (3,) and (returns >= 0).all()
    env, agent, state = landscapes.load("screen", 0, LAST, results_dir=results)
    assert env.observation.dtype == "uint8" and state.lanes.env_state.saved.shape[0] == 8
    record = json.loads((results / "screen" / "run.json").read_text())
    assert record["environment"]["options"] == {"life_loss": True}
    one, two = (agent.sample_batch(jax.random.key(0), state) for _ in range(2))
    assert one.obs.dtype == np.uint8 and np.array_equal(one.obs, two.obs)


@pytest.mark.parametrize(
    "switch, told",
    [
        ("separate_optimizers=true", "actor and critic share layers in network=nature; needs network=mlp"),
        ("normalize_observations=true", "needs observations that are vectors, and these are "),
        ("clip_observations=5.0", "needs observations that are vectors, and these are "),
    ],
)
def test_switches_that_are_not_for_screens_are_refused(
    switch: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert launch("run_algorithm", tmp_path / "results", "run_name=screen", *TRAIN, switch) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"{switch}: {told}") and error.count("\n") == 1
    assert not (tmp_path / "results" / "screen").exists()


LONG = 120
"""Steps in which a random player of Breakout loses lives, and seldom the game."""
RANDOM = [
    *("experiment.run_name=screen", "experiment.seed=0", f"experiment.ckpt_indexes=[{LAST}]"),
    *("experiment.noise_type=action", "experiment.noise_amounts=[1.0]"),
    *("experiment.eval_episodes=4", f"experiment.episode_length={LONG}"),
]


def test_a_lost_life_ends_no_roll_out(results: Path) -> None:
    """Of a run whose training ends episodes there: rolled out where it learned, the same players are cut off."""
    assert launch("eval_policy", results, *RANDOM) == 0
    with h5py.File(results / "screen" / "seed0" / f"s0_returns_{LAST}.h5") as file:
        lengths, returns = (file[f"{name}action/1.0/4"][:] for name in ("lengths/", "und_returns/"))
    _, agent, state = landscapes.load("screen", 0, LAST, results_dir=results)
    learning = make_environment("Breakout-v5", episode_length=LONG, options={"life_loss": True}, training=True)
    there = measurement.make_measure(learning, agent, measurement.Sampling("action", 4), 4).measure(
        jax.random.key(4321), state, 1.0
    )
    assert (there.lengths < lengths).all() and lengths.max() == LONG
    assert (there.returns <= returns).all() and there.returns.sum() < returns.sum()


@pytest.mark.slow
def test_roll_outs_are_seen_as_the_emulator_draws_them(results: Path, tmp_path: Path) -> None:
    """The typical neighbour beside the one of the left tail, in colour and full size, on the page and as a GIF."""
    assert launch("eval_policy", results, *RANDOM, "experiment.record_trajectories=1") == 0
    with h5py.File(results / "screen" / "seed0" / f"trajectories_{LAST}.h5") as file:
        assert json.loads(file["scene"][()]) == {"picture": [210, 160], "seconds_per_step": round(4 / 60, 6)}
        for role in ("median0", "left_tail0"):
            one = file[f"action/1.0/4/{role}"]
            frames = one["frames"][:]
            assert frames.shape == (len(one["rewards"]), 210, 160, 3) and frames.dtype == np.uint8
            assert one.attrs["return"] == one.attrs["stored_return"] == one["rewards"][:].sum()
            assert len(np.unique(frames.reshape(-1, 3), axis=0)) > 6  # rows of bricks, each of a colour
            assert (frames[0] != frames[-1]).any()
    page, moving = tmp_path / "r.html", tmp_path / "r.gif"
    assert report(["screen", "--out", str(page), "--results-dir", str(results)]) == 0
    assert '"pictures": ' in page.read_text()
    assert report(["screen", "--gif", str(moving), "--results-dir", str(results)]) == 0
    with Image.open(moving) as image:
        assert image.n_frames > 50
        halves = np.split(np.asarray(image.convert("RGB"), np.int64), 2, axis=1)
    for half in halves:  # red bricks
        assert (np.abs(half - (200, 72, 72)).max(axis=2) < 16).sum() > 1000


@pytest.mark.slow
def test_every_study_takes_a_policy_of_pictures(results: Path) -> None:
    of = ["experiment.run_name=screen", "experiment.seed=0"]
    root = ["experiment.root_policy_conf.run_name=screen", f"experiment.root_policy_conf.ckpt={LAST}"]
    short = ["experiment.episode_length=6", "experiment.noise_amount=0.01"]
    jobs = [
        (
            "eval_policy",
            [
                *of,
                f"experiment.ckpt_indexes=[{LAST}]",
                *SAMPLES,
                "experiment.noise_type=action",
                "experiment.noise_amounts=[0.5]",
            ],
        ),
        *path_and_slice(of, LAST, short, slice_samples=1),
        ("improve_ltp", ["experiment=reject_ltp", *root, *SAMPLES, "experiment.max_steps=1"]),
        (
            "run_algorithm",
            [
                "experiment=train_bc",
                *root,
                "experiment.num_seeds=1",
                "experiment.max_steps=20",
                "experiment.batch_size=8",
                "experiment.lr=0.001",
                "experiment.num_rows=40",
                "experiment.ckpt_steps=[20]",
                "experiment.log_interval=10",
                "experiment.eval_interval=20",
                "experiment.eval_episodes=1",
                "experiment.eval_episode_length=6",
            ],
        ),
    ]
    for entry_point, arguments in jobs:
        assert launch(entry_point, results, *arguments) == 0, arguments
    with h5py.File(results / f"screen_s0_c{LAST}_bc_4321" / "curves.h5") as file:
        assert np.isfinite(file["training/held_out_loss"][:]).all()


@pytest.mark.slow
@pytest.mark.usefixtures("own_programs")
def test_a_training_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit, as every game can be taken up where it stood."""
    arguments = ["run_name=one", "use_wandb=false", "save_interval=1e-3", *TRAIN]
    assert train(tmp_path / "whole", monkeypatch, arguments) == 0
    with pytest.MonkeyPatch.context() as once:
        end_at(once, 2, kill)
        with pytest.raises(Killed):
            train(tmp_path / "broken", monkeypatch, arguments)
    assert json.loads((tmp_path / "broken" / "one" / "run.json").read_text())["status"] != "finished"
    assert train(tmp_path / "broken", monkeypatch, arguments) == 0
    assert contents(tmp_path / "broken" / "one") == contents(tmp_path / "whole" / "one")
