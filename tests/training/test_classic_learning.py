"""Marked slow: five seeds learn classic control, Breakout and to land, by the very commands of docs/results.

What counts is the last evaluation of each: the mean return of 100 episodes of the policy's mode.
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from doc_blocks import ROOT
from result_scripts import asked_by

from landscapes import storage
from landscapes.envs import make_environment

pytestmark = pytest.mark.slow


def last_returns(name: str, folder: Path, script: str = "discrete.sh", *more: str) -> np.ndarray:
    """Mean returns `[5]` at the end of the training that the script calls `name`, with `more` settings."""
    (command,) = [one for one in asked_by(script, folder, ["learn"]) if one.settings.get("run_name") == name]
    words = [*command.arguments, *more, "experiment.checkpoint=false", "use_wandb=false", f"results_dir={folder}"]
    # In a process of its own, as its user has it: compiled for millions of steps, which those of other tests are not.
    environment = {key: value for key, value in os.environ.items() if key != "XLA_FLAGS"}
    subprocess.run([sys.executable, "-m", "run_algorithm", *words], cwd=ROOT, env=environment, check=True)
    run = storage.open_run(folder, name, "run")
    datasets, _ = storage.read_hdf5(run.curves_path, "run")
    assert datasets["num_episodes"][-1] == 100
    return datasets["returns"][-1]


@pytest.mark.parametrize(
    "name, least",
    [("ppo_cartpole_10", 475.0), ("ppo_acrobot", -100.0), ("ppo_pendulum", -250.0), ("td3_pendulum", -250.0)],
)
def test_classic_control_is_solved(name: str, least: float, tmp_path: Path) -> None:
    """In the mean over the seeds. Seen: 500, -85, -188 and -146; two to six minutes on two busy cores."""
    returns = last_returns(name, tmp_path)
    assert returns.shape == (5,)
    assert returns.mean() >= least, returns


def random_returns(name: str, num_episodes: int, num_steps: int) -> np.ndarray:
    """Returns `[num_episodes]` of uniformly random actions, each of which must end within `num_steps`."""
    env = make_environment(name)

    def episode(key: jax.Array) -> tuple[jax.Array, jax.Array]:
        key_start, key_actions = jax.random.split(key)

        def step(carry: tuple, key: jax.Array) -> tuple:
            state, alive, total = carry
            state, after = env.step(state, env.action.sample(key))
            total += jax.numpy.where(alive, after.reward, 0.0)
            return (state, alive & ~(after.terminated | after.truncated), total), None

        start = (env.reset(key_start)[0], jax.numpy.array(True), jax.numpy.float32(0.0))
        (_, alive, total), _ = jax.lax.scan(step, start, jax.random.split(key_actions, num_steps))
        return total, alive

    returns, alive = jax.jit(jax.vmap(episode))(jax.random.split(jax.random.key(0), num_episodes))
    assert not np.asarray(alive).any()
    return np.asarray(returns)


def test_breakout_is_learned_far_beyond_random_actions(tmp_path: Path) -> None:
    """Every seed returns at least ten times as much as random actions do. Seen: 5.4 to 5.5, and 0.44."""
    by_chance = random_returns("Breakout-MinAtar", 500, 500).mean()
    returns = last_returns("ppo_breakout", tmp_path)
    assert returns.shape == (5,)
    assert returns.min() > 10.0 * by_chance, (returns, by_chance)


def test_the_lander_lands(tmp_path: Path) -> None:
    """Most seeds return 200, which gymnasium calls solved. Seen: 214 to 266; ten minutes on two cores."""
    returns = last_returns("lander_ppo", tmp_path, "lander.sh", "eval_interval=1500000", "eval_episodes=100")
    assert returns.shape == (5,)
    assert np.sum(returns >= 200.0) >= 3, returns
