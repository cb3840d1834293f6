"""MuJoCo's and Box2D's tasks against gymnasium's own, step by step; states taken up again; what is seen of them."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees

from landscapes.envs import make_environment, tasks
from landscapes.errors import UserError

NAMES = [*tasks.MUJOCO, *(name for name in tasks.BOX2D if "Sparse" not in name)]


@pytest.mark.parametrize("name", NAMES)
def test_each_step_is_that_of_gymnasium(name: str) -> None:
    """Two episodes of one simulator after another: observations, rewards and ends, until the first end."""
    env = make_environment(name, episode_length=40)
    step = jax.jit(env.step)
    for key in range(2):
        state, first = env.reset(jax.random.key(key))
        theirs: Any = gymnasium.make(name).unwrapped
        obs, _ = theirs.reset(seed=int(state.seed))
        assert (np.asarray(first.obs) == obs.astype(np.float32)).all()
        for t in range(40):
            action = env.action.sample(jax.random.fold_in(jax.random.key(9), t))
            given = int(action) if action.ndim == 0 else np.asarray(action) * theirs.action_space.high
            obs, reward, terminated, *_ = theirs.step(given)
            state, after = step(state, action)
            assert (np.asarray(after.obs) == obs.astype(np.float32)).all()
            assert np.float32(reward) == np.asarray(after.reward) and bool(after.terminated) == terminated
            assert bool(after.truncated) == (t == 39 and not terminated)
            if terminated:
                break


@pytest.mark.parametrize("name", ["Ant-v5", "HalfCheetah-v5", "Humanoid-v5", "BipedalWalker-v3", "LunarLander-v3"])
def test_a_state_that_is_taken_up_again_goes_on_identically(name: str) -> None:
    """In simulators of another environment, and in these again."""
    env, other = (make_environment(name, episode_length=100) for _ in range(2))
    step, elsewhere = jax.jit(env.step), jax.jit(other.step)
    state, _ = env.reset(jax.random.key(3))
    actions = [env.action.sample(jax.random.key(t)) for t in range(16)]
    kept = {}
    for t, action in enumerate(actions):
        if t in (0, 1, 9):
            kept[t] = state
        state, after = step(state, action)
    for t, again in kept.items():
        for one in (elsewhere, step):
            at = jax.tree.map(jnp.array, again)
            for action in actions[t:]:
                at, found = one(at, action)
            trees.assert_same((at, found), (state, after))


def test_the_sparse_lander_pays_all_at_the_end() -> None:
    for length in (20, 400):  # by the time limit, and by a crash
        rewards = {}
        for name in ("LunarLander-v3", "LunarLanderSparse-v3"):
            env = make_environment(name, episode_length=length)
            state, after = env.reset(jax.random.key(1))
            step, told = jax.jit(env.step), []
            while not (after.terminated | after.truncated):
                state, after = step(state, jnp.int32(2 if len(told) % 3 else 1))
                told.append(float(after.reward))
            rewards[name] = told
            assert bool(after.truncated) == (length == 20)
        dense, sparse = rewards.values()
        assert len(sparse) == len(dense) > 10 and not any(sparse[:-1])
        np.testing.assert_allclose(sparse[-1], sum(dense), rtol=1e-5)


def test_a_pose_is_where_the_links_are() -> None:
    env = make_environment("Hopper-v5")
    state, _ = env.reset(jax.random.key(0))
    for _ in range(3):
        state, after = env.step(state, jnp.ones(3))
    assert env.pose is not None and env.scene is not None
    positions, rotations = env.pose(state)
    assert positions.shape == (4, 3) and env.scene()["links"] == ["torso", "thigh", "leg", "foot"]
    np.testing.assert_allclose(positions[0, 2], after.obs[0], rtol=1e-6)  # the height of the torso
    np.testing.assert_allclose(jnp.linalg.norm(rotations, axis=-1), 1.0, rtol=1e-5)
    trees.assert_same(env.step(state, jnp.ones(3))[1], make_environment("Hopper-v5").step(state, jnp.ones(3))[1])


def test_a_frame_is_drawn_and_changes_nothing() -> None:
    env = make_environment("LunarLander-v3")
    state, _ = env.reset(jax.random.key(0))
    for _ in range(5):
        state, _ = env.step(state, jnp.int32(2))
    assert env.frame is not None
    picture = np.asarray(env.frame(state))
    assert picture.shape == (200, 300, 3) and picture.dtype == np.uint8 and len(np.unique(picture)) > 3
    assert (picture == np.asarray(jax.jit(env.frame)(state))).all()
    trees.assert_same(env.step(state, jnp.int32(2)), make_environment("LunarLander-v3").step(state, jnp.int32(2)))


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    for module in [name for name in sys.modules if name.startswith("gymnasium.envs.box2d")]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, "Box2D", None)
    with pytest.raises(UserError, match=r"^env=LunarLander-v3: needs a package .*-r gymnasium_requirements.txt$"):
        make_environment("LunarLander-v3")
