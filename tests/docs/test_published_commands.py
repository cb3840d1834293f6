"""The published README's command lines, word for word apart from smaller numbers, from inside each folder and the root.

Every line with point masses standing in for the simulators, so that all names, sweeps and files are real; and for two
of the four tasks with Brax itself, in processes of their own.
"""

import os
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from landscapes.config.launch import run_entry_point
from landscapes.envs import brax
from landscapes.types import Environment
from tests.support import probes

ROOT = Path(__file__).resolve().parents[2]
TD3 = (
    "--multirun",
    "experiment.algo=ddpg",
    "experiment.env_name=halfcheetah,walker2d,hopper,ant",
    "experiment.reset_interval=1000",
    "experiment.ddpg_config.exploration_noise=0.1",
    "experiment.num_seeds=2",
    'experiment.agent_log_starts="[50, 60]"',
    "experiment.eval_interval=50",
    "experiment.agent_num_logs=1",
)
EVALUATION = ("experiment.eval_episodes=2", "experiment.eval_episode_length=20")
WIDTHS = ("experiment.ddpg_config.hidden_dims=[8,8]", "experiment.sac_config.hidden_dims=[8,8]")
SMALL = ("experiment.max_steps=60", "experiment.start_training=40", *WIDTHS, *EVALUATION)
PPO = (
    "--multirun",
    "experiment=train_ppo",
    "experiment.env_id=ant,halfcheetah,hopper,walker2d",
    "experiment.agent_num_logs=2",
    "random_seed=0",
    "experiment.num_seeds=2",
)
SIZES_PPO = ("experiment.total_timesteps=256", "experiment.num_envs=8", "experiment.num_steps=8")
SMALL_PPO = (*SIZES_PPO, "experiment.hidden_dims=[8,8]", *EVALUATION)
PURD = ("experiment.seed=range(2)", "experiment.eval_episodes=5", "experiment.batch_size=5")


def words(*arguments: str) -> list[str]:
    """What a shell hands over: the README's double quotes around a list are gone by then."""
    return [a.replace('"[', "[").replace(']"', "]") for a in arguments]


def runs(prefix: str, num_envs: int) -> str:
    return ",".join(f"'{prefix}_{i}'" for i in range(num_envs))


def evaluate(kind: str, amount: str, prefix: str, steps: str) -> list[str]:
    return [
        "--multirun",
        "experiment=policy_variance",
        f"experiment.run_name={runs(prefix, 4)}",
        PURD[0],
        f"experiment.ckpt_indexes=[{steps}]",
        *PURD[1:],
        f"experiment.noise_type={kind}",
        f"experiment.noise_amounts=[{amount}]",
    ]


def interpolate(prefix: str) -> list[str]:
    return [
        "--multirun",
        "experiment=policy_interpolation_seed",
        "experiment.num_purd_samples=4",
        "experiment.num_points=3",
        "experiment.batch_size=2",
        "experiment.seed=0",  # of two: the last one has no next
        "experiment.same_seed=false,true",
        "experiment.first_half=false,true",
        f"experiment.run_name={runs(prefix, 4)}",
    ]


def reject(prefix: str) -> list[str]:
    return [
        "--multirun",
        "experiment=td3_reject_ltp",
        f"experiment.root_policy_conf.run_name='{prefix}_1'",
        "experiment.root_policy_conf.ckpt=50,60",
        "experiment.root_policy_conf.seed=range(2)",
        "experiment.eval_episodes=5",
        "experiment.batch_size=5",
        "experiment.max_steps=3",
        "experiment.heuristic=cvar",
        "experiment.check_interval=1",
        "experiment.cvar_alpha=0.1",
        "experiment.seed=range(2)",
    ]


LINES = [
    ("run_algorithm", [*words(*TD3), *SMALL, "run_name=td"]),
    ("run_algorithm", [*words(*TD3), *SMALL, "run_name=sa", "experiment.algo=sac"]),
    ("run_algorithm", [*words(*PPO), *SMALL_PPO, "run_name=pp"]),
    ("eval_policy", evaluate("td3_optimization", "3e-4", "td", "50,60")),
    ("eval_policy", evaluate("sac_optimization", "3e-4", "sa", "50,60")),
    ("eval_policy", evaluate("'ppo_optimization'", "0", "pp", "64,192")),
    ("eval_policy", interpolate("td")),
    ("improve_ltp", reject("td")),
]


def on_two_environments(arguments: list[str]) -> list[str]:
    """The same line for two of the four environments."""
    changes = {
        "halfcheetah,walker2d,hopper,ant": "halfcheetah,hopper",
        "ant,halfcheetah,hopper,walker2d": "ant,hopper",
        **{runs(prefix, 4): runs(prefix, 2) for prefix in ("td", "sa", "pp")},
    }
    for old, new in changes.items():
        arguments = [a.replace(old, new) for a in arguments]
    return arguments


def check_results(results: Path, num_envs: int) -> None:
    """Every file that the lines promise is there, with finite returns of the right shape."""
    files = {
        "td": ("td3_optimization/0.0003/5", (50, 60)),
        "sa": ("sac_optimization/0.0003/5", (50, 60)),
        "pp": ("ppo_optimization/0/5", (64, 192)),
    }
    for prefix, (dataset, steps) in files.items():
        for i in range(num_envs):
            for seed in range(2):
                for step in steps:
                    with h5py.File(results / f"{prefix}_{i}" / f"seed{seed}" / f"s0_returns_{step}.h5") as file:
                        for name in (dataset, f"und_returns/{dataset}"):
                            assert file[name].shape == (5,)
                            assert file[name].dtype == np.float32
                            assert np.isfinite(file[name][:]).all()
    for i in range(num_envs):
        ends = [(0, a, other, b) for a in (50, 60) for other in (0, 1) for b in (50, 60) if (0, a) != (other, b)]
        with h5py.File(results / f"td_{i}" / "seed0" / "policy_interpolation_purd.h5") as file:
            for seed1, ckpt1, seed2, ckpt2 in ends:
                group = file[f"td_{i}/{seed1}/{ckpt1}/td_{i}/{seed2}/{ckpt2}/3"]
                assert group["returns/0.0003/4"].shape == (4, 3)
                assert np.isfinite(group["returns/0.0003/4"][:]).all()
                assert group["alpha"][:].tolist() == [0.0, 0.5, 1.0]
    for seed in range(2):
        for step in (50, 60):
            with h5py.File(results / "td_1" / f"seed{seed}" / f"td3_reject_ltp_{step}.h5") as file:
                for walk in range(2):
                    group = file[f"0.1cvar/1check/3steps/seed{walk}"]
                    assert group["purds"].shape == (4, 5)
                    assert group["means"].shape == group["ltps"].shape == group["cvars"].shape == (4,)
                    assert group["accepted"][0]
            assert (results / f"td_1_s{seed}_c{step}_0.1cvar_0" / "seed0" / "ckpt_0.h5").is_file()


def small(entry_point: str) -> list[str]:
    """What is said beside a line, so that its roll-outs are short: the published ones have a thousand steps."""
    return [] if entry_point == "run_algorithm" else ["experiment.episode_length=20"]


@pytest.mark.slow
@pytest.mark.usefixtures("shared_programs")
def test_every_line_runs_on_stand_ins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stand_in(name: str, backend: str, episode_length: int) -> Environment:
        return probes.line(episode_length)._replace(name=name, backend=backend)

    monkeypatch.setattr(brax, "make", stand_in)
    monkeypatch.setenv("LANDSCAPES_RESULTS", str(tmp_path))
    for entry_point, arguments in LINES:
        said = [*arguments, *small(entry_point), "use_wandb=false"]
        assert run_entry_point(entry_point, said) == 0, capsys.readouterr().err
    check_results(tmp_path, 4)


@pytest.mark.slow
def test_every_line_runs_on_brax_inside_its_folder(tmp_path: Path) -> None:
    for entry_point, arguments in LINES:
        run(
            [sys.executable, "main.py", *on_two_environments(arguments), *small(entry_point)],
            ROOT / entry_point,
            tmp_path,
        )
    check_results(tmp_path, 2)


@pytest.mark.slow
def test_the_lines_run_on_brax_from_the_root(tmp_path: Path) -> None:
    for entry_point, arguments in LINES:
        run([sys.executable, "-m", entry_point, *on_two_environments(arguments), *small(entry_point)], ROOT, tmp_path)
    check_results(tmp_path, 2)


def run(command: list[str], folder: Path, results: Path) -> None:
    environment = os.environ | {"LANDSCAPES_RESULTS": str(results), "WANDB_MODE": "offline"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
