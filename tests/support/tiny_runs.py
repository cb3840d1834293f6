"""Small runs of three algorithms on a point mass, and the jobs that tests do with them.

Knows the command lines of jobs; what holds of their results is said by tests.
"""

from pathlib import Path
from typing import Any

import h5py
import numpy as np

from landscapes.config.launch import run_entry_point
from landscapes.studies import measurement

ENV = "tests.support.probes.line"
TD3_SIZES = [
    "experiment.max_steps=60",
    "experiment.start_training=20",
    "experiment.eval_interval=20",
    "experiment.log_interval=20",
    "experiment.eval_episodes=3",
    "experiment.eval_episode_length=10",
    "experiment.reset_interval=10",
    "experiment.agent_log_starts=[40,60]",
    "experiment.num_seeds=2",
    "experiment.ddpg_config.hidden_dims=[8,8]",
    "experiment.sac_config.hidden_dims=[8,8]",
]
"""Where tests train runs of their own with these, a process finds what another has compiled for them. When it logs,
tests and stores policies makes no other program."""
TINY_TD3 = [f"experiment.env_name={ENV}", *TD3_SIZES]
TINY_PPO = [
    "experiment=train_ppo",
    f"experiment.env_id={ENV}",
    "experiment.total_timesteps=256",
    "experiment.num_envs=8",
    "experiment.num_steps=8",
    "experiment.hidden_dims=[8,8]",
    "experiment.num_seeds=2",
    "experiment.agent_num_logs=2",
    "experiment.eval_episodes=3",
    "experiment.reset_interval=10",
    "experiment.eval_episode_length=10",
]
RUNS = {"td": TINY_TD3, "sa": [*TINY_TD3, "experiment.algo=sac"], "pp": TINY_PPO}
CHECKPOINTS = {"td": (40, 60), "sa": (40, 60), "pp": (64, 192)}
UPDATE = {"td": "td3_optimization", "sa": "sac_optimization", "pp": "ppo_optimization"}


def launch(entry_point: str, results: Path, *arguments: str) -> int:
    quiet = [] if any(a.startswith(("use_wandb", "wandb.")) for a in arguments) else ["use_wandb=false"]
    return run_entry_point(entry_point, [*arguments, *quiet, f"results_dir={results}"])


def changed(arguments: list[str], *changes: str) -> list[str]:
    """The arguments with some keys given otherwise."""
    keys = {change.partition("=")[0] for change in changes}
    return [*(each for each in arguments if each.partition("=")[0] not in keys), *changes]


def train_all(results: Path) -> Path:
    """A finished run of each algorithm in `results`."""
    for name, arguments in RUNS.items():
        assert launch("run_algorithm", results, f"run_name={name}", *arguments) == 0
    return results


def purd(results: Path, name: str, *arguments: str, kind: str | None = None, amount: str = "0.001") -> int:
    return launch(
        "eval_policy",
        results,
        f"experiment.run_name={name}",
        f"experiment.ckpt_indexes=[{CHECKPOINTS.get(name, (0,))[-1]}]",
        f"experiment.noise_type={kind or UPDATE[name]}",
        f"experiment.noise_amounts=[{amount}]",
        "experiment.episode_length=10",
        *([] if any("eval_episodes" in a for a in arguments) else ["experiment.eval_episodes=6"]),
        *arguments,
    )


def returns(results: Path, name: str, step: int, dataset: str) -> np.ndarray:
    with h5py.File(results / name / "seed0" / f"s0_returns_{step}.h5") as file:
        return np.asarray(file[f"und_returns/{dataset}"])


def walk(results: Path, name: str, *arguments: str) -> int:
    return launch(
        "improve_ltp",
        results,
        "experiment=reject_ltp",
        f"experiment.root_policy_conf.run_name={name}",
        f"experiment.root_policy_conf.ckpt={CHECKPOINTS[name][-1]}",
        "experiment.eval_episodes=6",
        "experiment.max_steps=4",
        "experiment.episode_length=10",
        *arguments,
    )


def stored_steps(results: Path, name: str) -> list[int]:
    return sorted(int(p.stem.removeprefix("ckpt_")) for p in (results / name / "seed0").glob("ckpt_*.h5"))


def ending_at(call: int) -> Any:
    """`make_measure`, of whose measures the `call`-th block in all, from 0, is an interrupt."""
    make, calls = measurement.make_measure, iter(range(10**6))

    def begin_block() -> None:
        if next(calls) == call:
            raise KeyboardInterrupt

    def made(*arguments: Any, **settings: Any) -> measurement.Measure:
        measure = make(*arguments, **settings)

        def counted(*arguments: Any) -> measurement.Purd:
            *others, listeners = arguments
            left = len(arguments[4])  # `entries`

            def kept(block: measurement.Purd) -> None:
                nonlocal left
                listeners.keep(block)
                left -= len(block.returns)
                if left:
                    begin_block()

            begin_block()
            return measure.measure(*others, listeners._replace(keep=kept))

        return measure._replace(measure=counted)

    return made


def snapshot(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.suffix != ".lock"}
