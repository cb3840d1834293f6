"""The published Atari scripts, flag by flag, and each of them small on the real emulator."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest

from eval_policy import published_atari as measuring
from landscapes import storage
from landscapes.config import atari_flags, published_atari
from landscapes.config.compose import compose_job
from landscapes.config.training import Training
from landscapes.errors import UserError
from landscapes.machine.folders import process_environment
from run_algorithm import published_atari as training

ROOT = Path(__file__).resolve().parents[2]
TRAIN, PURD, INTERPOLATE = "ppo_atari_envpool", "atari_policy_variance", "ppo_interpolate"
FOLDERS = {TRAIN: "run_algorithm", PURD: "eval_policy", INTERPOLATE: "eval_policy"}
LINES = {
    TRAIN: "--num-checkpoints=10 --track=true --seed=5 --env-id=Breakout-v5",
    PURD: "--track true --ckpt-path <PATH_TO_CHECKPOINTS_FOLDER> --purd-samples 1000 --outer-batch-size 100 "
    "--env-id Breakout-v5 --eval-len 10000 --ckpt-idxs 1 2 3 4 5 6 7 8 9 10",
    INTERPOLATE: "--root-dir <ROOT_DIR> --run-a <RUN_A> --run-b <RUN_B> --ckpt-a 10 --ckpt-b 7 --env-id Breakout-v5 "
    "--eval-len 1000",
}
"""As published; the page about host environments has them too."""

SMALL = "--num-steps=2 --total-timesteps=64 --num-minibatches=2 --update-epochs=2 --eval-len=6 --num-checkpoints=2"
"""Of a training: four updates of 8 games, stored before the second and the fourth."""
STEPS = [16, 48]


# Flags


def train_job(line: str) -> Training:
    flags = atari_flags.read(TRAIN, line.split())
    settings = compose_job("run_algorithm", published_atari.training(flags, "name")).settings
    assert isinstance(settings, Training)
    return settings


def test_the_published_training_is_that_of_the_paper() -> None:
    s = train_job(LINES[TRAIN])
    assert (s.env, s.steps, s.num_seeds, s.seed) == ("Breakout-v5", 10_000_000, 1, 5)
    assert s.env_options == {"life_loss": True} and s.episode_length == 27_000
    expected = {
        "num_envs": 8,
        "unroll_length": 128,
        "num_epochs": 4,
        "num_minibatches": 4,
        "clip_eps": 0.1,
        "learning_rate": 2.5e-4,
        "lr_schedule": "linear",
        "max_grad_norm": 0.5,
        "ent_coef": 0.01,
        "vf_coef": 0.5,
        "gamma": 0.99,
        "gae_lambda": 0.95,
        "clip_vloss": True,
        "advantage_normalization": "minibatch",
        "target_kl": None,
        "clip_rewards": 1.0,
    }
    assert {name: s.settings[name] for name in expected} == expected


def test_checkpoints_are_at_the_published_places() -> None:
    """Before update int(9765 i / 10), counted from 1."""
    steps = train_job(LINES[TRAIN]).checkpoints
    assert isinstance(steps, list)
    assert steps == [(update - 1) * 1024 for update in (976, 1953, 2929, 3906, 4882, 5859, 6835, 7812, 8788, 9765)]


def test_switches_are_read_as_published() -> None:
    assert (
        train_job("--env-id Pong-v5 --anneal-lr=no --norm-adv F --clip-vloss 0").settings["lr_schedule"] == "constant"
    )
    assert train_job("--norm-adv F").settings["advantage_normalization"] == "none"
    assert train_job("--norm-adv").settings["advantage_normalization"] == "minibatch"
    assert train_job("--env-id ALE/Pong-v5 --target-kl 0.02").settings["target_kl"] == 0.02
    for words, tracked in (("--track", True), ("--track=no", False), ("", False)):
        flags = atari_flags.read(TRAIN, words.split())
        assert compose_job("run_algorithm", published_atari.training(flags, "name")).use_wandb is tracked
    wandb = atari_flags.read(TRAIN, ["--wandb-project-name=my project", "--wandb-entity", "me"])
    job = compose_job("run_algorithm", published_atari.training(wandb, "name"))
    assert (job.wandb.project_name, job.wandb.entity_name) == ("my project", "me")


MISTAKES = [
    (TRAIN, "--sed=5", "arguments=--sed: no such flag of ppo_atari_envpool.py; did you mean --seed or --env-id?"),
    (TRAIN, "--seed=five", "--seed=five: must be an integer"),
    (TRAIN, "--seed=-1", "--seed=-1: "),
    (TRAIN, "--track=perhaps", "--track=perhaps: must be true or false"),
    (TRAIN, "--env-id=Brakeout-v5", "--env-id=Brakeout-v5: no such game; did you mean Breakout-v5"),
    (TRAIN, "--env-id=hopper", "--env-id=hopper: no such game; "),
    (TRAIN, "--num-minibatches=3", "--num-minibatches=3: must divide the batch"),
    (TRAIN, "--num-envs=0", "--num-envs=0: must be at least 1"),
    (TRAIN, "--exp-name=a/b", "--exp-name=Pong-v5__a/b__1__"),
    (TRAIN, "--capture-video", "--capture-video=true: does nothing in the published code; "),
    (PURD, "", "--ckpt-path=null: is needed: the folder checkpoints/ of a run"),
    (PURD, "--ckpt-path nowhere/checkpoints", "--ckpt-path=nowhere/checkpoints: leads to no run: "),
    (PURD, "--ckpt-idxs 1 x", "--ckpt-idxs=x: must be an integer"),
    (INTERPOLATE, "--root-dir .", "--run-a=null: is needed: "),
    (INTERPOLATE, "--root-dir . --run-a a --ckpt-a 1", "--run-a=a: leads to no run: "),
]


@pytest.mark.parametrize("script, line, told", MISTAKES)
def test_a_mistake_is_one_line(
    script: str,
    line: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(script, line.split()) == 2
    out, err = capsys.readouterr()
    assert err.startswith(told) and err.count("\n") == 1 and not out
    assert list(tmp_path.iterdir()) == []


def test_every_flag_has_a_meaning_in_help(capsys: pytest.CaptureFixture[str]) -> None:
    for script in LINES:
        with pytest.raises(SystemExit) as end:
            atari_flags.read(script, ["--help"])
        assert end.value.code == 0
        told = capsys.readouterr().out
        assert all(f"--{name}" in told for name in atari_flags.FLAGS[script])


def test_a_setting_that_is_not_the_runs_is_refused() -> None:
    config = {"env": "Breakout-v5", "num_epochs": 4, "lr_schedule": "linear"}
    good = atari_flags.read(PURD, ["--env-id=ALE/Breakout-v5", "--update-epochs=4", "--anneal-lr=yes"])
    published_atari.check_run(good, config)
    for words, told in (("--update-epochs=5", "trained with 4"), ("--anneal-lr=no", "trained with linear")):
        with pytest.raises(UserError, match=told):
            published_atari.check_run(atari_flags.read(PURD, [words]), config)


@pytest.mark.parametrize("script", LINES)
def test_a_script_is_found_from_its_folder(script: str, tmp_path: Path) -> None:
    folder = standing(tmp_path, script)
    done = subprocess.run(
        [sys.executable, f"experiments/{script}.py", "--seed=five"],
        cwd=folder,
        env=process_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (2, "--seed=five: must be an integer\n")


# Runs


def standing(place: Path, script: str) -> Path:
    """A folder like the script's own, in which nothing lies in the way."""
    folder = place / FOLDERS[script]
    folder.mkdir(exist_ok=True)
    (folder / "experiments").symlink_to(ROOT / FOLDERS[script] / "experiments")
    return folder


def run(script: str, words: Sequence[str]) -> int:
    return (training if script == TRAIN else measuring).main(script, words)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`runs/` with two trainings of Breakout."""
    place = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("WANDB_MODE", "offline")
        for seed in (5, 6):
            line = LINES[TRAIN].replace("--seed=5", f"--seed={seed}").replace("--track=true", "--track=false")
            assert run(TRAIN, [*line.split(), *SMALL.split()]) == 0
    return place / "runs"


def run_of(runs: Path, seed: int) -> storage.Run:
    (name,) = (name for name in storage.run_names(runs) if name.startswith(f"Breakout-v5__{TRAIN}__{seed}__"))
    return storage.open_run(runs, name)


def renumber(path: Path, name: str) -> None:
    """Other numbers in the place of those measured: 0, 1, 2, ... (a game of six steps has few of its own)."""
    datasets, attributes = storage.read_hdf5_nodes(path, "file")
    numbers = np.arange(datasets[name].size, dtype=np.float32).reshape(datasets[name].shape)
    storage.merge_hdf5(path, {name: numbers}, {}, {name: attributes[name]})


@pytest.mark.slow
def test_a_training_stores_what_the_measurements_want(runs: Path) -> None:
    stored = run_of(runs, 5)
    assert stored.checkpoint_steps(0) == STEPS and stored.record["status"] == "finished"
    assert (stored.path / "checkpoints").is_dir() and stored.num_seeds == 1
    assert stored.record["config"]["experiment"]["clip_rewards"] == 1.0


@pytest.mark.slow
def test_updates_are_measured_and_written_as_published(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stored = run_of(runs, 5)
    monkeypatch.chdir(runs.parent)
    small = {
        "<PATH_TO_CHECKPOINTS_FOLDER>": f"runs/{stored.name}/checkpoints",
        "1000 ": "3 ",
        "10000": "6",
        "1 2 3 4 5 6 7 8 9 10": "1 2",
        "--track true": "--track false",
    }
    assert run(PURD, changed(LINES[PURD], small)) == 0
    renumber(stored.returns_path(0, STEPS[1]), "und_returns/full_update/own/3")
    assert run(PURD, changed(LINES[PURD], small)) == 0  # nothing is measured again
    for index, step in enumerate(STEPS, 1):
        with h5py.File(stored.path / "checkpoints" / f"ckpt_{index}_purd.h5") as file:
            purd = file["purd"][:]
        assert purd.shape == (3,) and purd.dtype == np.float64
        with h5py.File(stored.returns_path(0, step)) as file:
            np.testing.assert_array_equal(purd, file["und_returns/full_update/own/3"][:])
            assert (file["lengths/full_update/own/3"][:] == 6).all()
    np.testing.assert_array_equal(purd, [0.0, 1.0, 2.0])


@pytest.mark.slow
def test_a_path_is_measured_and_written_as_published(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = run_of(runs, 5), run_of(runs, 6)
    monkeypatch.chdir(runs.parent)
    small = {
        "<ROOT_DIR>": "runs",
        "<RUN_A>": a.name,
        "<RUN_B>": b.name,
        "--ckpt-a 10": "--ckpt-a 2",
        "--ckpt-b 7": "--ckpt-b 1 --num-interpolation-points 3 --purd-samples 2",
        "1000": "6",
    }
    assert run(INTERPOLATE, changed(LINES[INTERPOLATE], small)) == 0
    group = f"{b.name}/0/{STEPS[0]}/{a.name}/0/{STEPS[1]}/3"
    renumber(b.interpolation_purd_path(0), f"{group}/returns/0.0003/2")
    assert run(INTERPOLATE, changed(LINES[INTERPOLATE], small)) == 0  # nothing is measured again
    with h5py.File(runs / "pairwise_interpolation.h5") as file:
        results = file[f"{a.name}_ckpt_2_to_{b.name}_ckpt_1/results"][:]
    assert results.dtype == np.float64 and results.tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]  # points, samples
    with h5py.File(b.interpolation_purd_path(0)) as file:
        assert file[f"{group}/returns/0.0003/2"].shape == (2, 3)
        assert file[f"{group}/alpha"][:].tolist() == [0.0, 0.5, 1.0]  # the share of run b


@pytest.mark.slow
def test_checkpoints_that_are_not_there_are_refused(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = run_of(runs, 5)
    monkeypatch.chdir(runs.parent)
    assert run(PURD, ["--ckpt-path", f"runs/{stored.name}/checkpoints", "--ckpt-idxs", "3"]) == 2
    assert capsys.readouterr().err == f"--ckpt-idxs=3: run {stored.name} has checkpoints 1 to 2\n"
    assert run(PURD, ["--ckpt-path", f"runs/{stored.name}/checkpoints", "--env-id", "Pong-v5"]) == 2
    assert capsys.readouterr().err.startswith("--env-id=Pong-v5: the run was trained with Breakout-v5")


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same command takes up the run that it has begun; another one, and one that is finished, begin anew."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run_of(runs, 5).path, tmp_path / "runs" / run_of(runs, 5).name)
    flags = atari_flags.read(TRAIN, [*LINES[TRAIN].split(), *SMALL.split()])
    assert training._begun(flags, tmp_path / "runs") is None
    run_of(tmp_path / "runs", 5).write_record(status="stopped")
    assert training._begun(flags, tmp_path / "runs") == run_of(runs, 5).name
    other = atari_flags.read(TRAIN, [*LINES[TRAIN].split(), *SMALL.split(), "--gamma=0.9"])
    assert training._begun(other, tmp_path / "runs") is None


@pytest.mark.slow
def test_the_scripts_run_from_their_folders(tmp_path: Path) -> None:
    """In processes of their own, with wandb offline."""
    environment = process_environment() | {"WANDB_MODE": "offline"}

    def script(name: str, words: Sequence[str]) -> None:
        command = [sys.executable, f"experiments/{name}.py", *words]
        done = subprocess.run(
            command, cwd=tmp_path / FOLDERS[name], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    standing(tmp_path, TRAIN)
    standing(tmp_path, PURD)
    script(TRAIN, [*LINES[TRAIN].split(), *SMALL.split()])
    stored = run_of(tmp_path / "run_algorithm" / "runs", 5)
    path = f"../run_algorithm/runs/{stored.name}/checkpoints"
    small = {
        "<PATH_TO_CHECKPOINTS_FOLDER>": path,
        "1000 ": "2 ",
        "10000": "6",
        "1 2 3 4 5 6 7 8 9 10": "2",
    }
    script(PURD, changed(LINES[PURD], small))
    assert (stored.path / "checkpoints" / "ckpt_2_purd.h5").is_file()


def changed(line: str, changes: dict[str, str]) -> list[str]:
    for old, new in changes.items():
        assert old in line
        line = line.replace(old, new)
    return line.split()
