"""Policy variance on MuJoCo's own tasks as gymnasium has them, in our spelling and in the published one."""

from pathlib import Path

import h5py
import numpy as np
import pytest
from tiny_runs import launch

import landscapes
from landscapes.config.compose import compose_job
from landscapes.studies import neighborhood

TRAIN = [
    "experiment=train_td3",
    "env=HalfCheetah-v5",
    "hidden_dims=[8,8]",
    "actor_batch_size=8",
    "critic_batch_size=8",
    "learning_starts=20",
    "steps=60",
    "num_seeds=1",
    "checkpoints=[30,60]",
    "eval_interval=60",
    "log_interval=30",
    "eval_episodes=1",
    "eval_episode_length=10",
    "episode_length=20",
]
LAST = 60


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = tmp_path_factory.mktemp("mujoco")
    assert launch("run_algorithm", results, "run_name=cheetah", *TRAIN) == 0
    return results


def returns(results: Path, step: int, name: str) -> np.ndarray:
    with h5py.File(results / "cheetah" / "seed0" / f"s0_returns_{step}.h5") as file:
        found: np.ndarray = file[f"und_returns/{name}"][:]
    return found


def test_policy_variance_is_the_same_command_as_for_any_run(results: Path) -> None:
    """In both spellings the same numbers; a rate of 0 gives the policy's own return."""
    sizes = ["experiment.run_name=cheetah", "experiment.eval_episodes=5", "experiment.episode_length=10"]
    ours = ["experiment=policy_variance", "experiment.noise_type=td3_optimization"]
    amounts = "experiment.noise_amounts=[0.0,3e-4,0.1]"
    assert launch("eval_policy", results, *ours, *sizes, f"experiment.ckpt_indexes=[{LAST}]", amounts) == 0
    before = returns(results, LAST, "td3_optimization/0.0003/5")
    still, wide = (returns(results, LAST, f"td3_optimization/{amount}/5") for amount in ("0.0", "0.1"))
    assert np.ptp(still) < 1e-5 and len(np.unique(wide)) == 5 and np.ptp(before) < np.ptp(wide)
    published = ["experiment=policy_variance_mujoco", *sizes, f"experiment.ckpt_indexes=[30,{LAST}]", "overwrite=true"]
    assert launch("eval_policy", results, *published) == 0
    np.testing.assert_array_equal(returns(results, LAST, "td3_optimization/0.0003/5"), before)
    assert np.isfinite(returns(results, 30, "td3_optimization/0.0003/5")).all()
    job = compose_job("eval_policy", published[:2])
    assert job.kind == "policy_variance"


@pytest.mark.slow
def test_a_whole_run_is_measured_under_whole_updates(results: Path) -> None:
    """Of TD3 two iterations: one of the critics alone, then one of the actor too."""
    asked = ["run=cheetah", "checkpoints=last", "noise_type=full_update", "noise_amounts=[null,0.1]", "num_samples=4"]
    assert launch("eval_policy", results, "experiment=neighborhood", *asked, "episode_length=10") == 0
    own, wide = (returns(results, LAST, f"full_update/{amount}/4") for amount in ("own", "0.1"))
    assert len(np.unique(wide)) == 4 and np.ptp(own) < np.ptp(wide)
    env, agent, _ = landscapes.load("cheetah", 0, LAST, results_dir=results)
    assert env.backend == "gymnasium" and "full_update" in neighborhood.kinds_of(env, agent)
