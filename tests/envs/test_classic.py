"""Classic control against gymnasium's own, step by step; MinAtar's pictures; what every task of gymnax keeps to."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.envs import make_environment, tasks
from landscapes.spaces import Discrete

STATES = {
    "CartPole-v1": ("x", "x_dot", "theta", "theta_dot"),
    "MountainCar-v0": ("position", "velocity"),
    "MountainCarContinuous-v0": ("position", "velocity"),
    "Pendulum-v1": ("theta", "theta_dot"),
    "Acrobot-v1": ("joint_angle1", "joint_angle2", "velocity_1", "velocity_2"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("name", STATES)
def test_each_step_is_that_of_gymnasium(name: str) -> None:
    """From the same state, under the same actions: observations, rewards and ends, until the first end."""
    env = make_environment(name)
    theirs: Any = gymnasium.make(name).unwrapped
    theirs.reset(seed=0)
    state, _ = env.reset(jax.random.key(1))
    theirs.state = np.array([getattr(state.simulator, field) for field in STATES[name]], np.float64)
    step, generator = jax.jit(env.step), np.random.default_rng(2)
    for _ in range(40):
        if isinstance(env.action, Discrete):
            action: Any = np.int32(generator.integers(env.action.num))
            given: Any = int(action)
        else:
            action = generator.uniform(-1.5, 1.5, 1).astype(np.float32)
            given = np.clip(action, -1.0, 1.0) * theirs.action_space.high
        obs, reward, terminated, _, _ = theirs.step(given)
        state, after = step(state, action)
        np.testing.assert_allclose(after.obs, obs, rtol=2e-4, atol=2e-4)
        np.testing.assert_allclose(after.reward, reward, rtol=2e-4, atol=2e-4)
        assert bool(after.terminated) == terminated
        if terminated:
            break


def rolled_out(name: str, num_lanes: int, num_steps: int, episode_length: int = 1000) -> tuple[Any, Any]:
    """First time steps and those after each of `num_steps` uniform actions, `[T, lanes, ...]`, without any reset."""
    env = make_environment(name, episode_length=episode_length)

    @jax.jit
    def run(key: jax.Array) -> tuple[Any, Any]:
        states, first = jax.vmap(env.reset)(jax.random.split(key, num_lanes))

        def one(states: Any, key: jax.Array) -> tuple[Any, Any]:
            actions = jax.vmap(env.action.sample)(jax.random.split(key, num_lanes))
            return jax.vmap(env.step)(states, actions)

        return first, jax.lax.scan(one, states, jax.random.split(key, num_steps))[1]

    return jax.tree.map(np.asarray, run(jax.random.key(3)))


@pytest.mark.parametrize("name", [name for name, backends in tasks.TASKS.items() if tasks.GYMNAX in backends])
def test_states_keep_structure_shapes_and_dtypes(name: str) -> None:
    env = make_environment(name, episode_length=7)
    begun = jax.eval_shape(env.reset, jax.random.key(0))
    after = jax.eval_shape(env.step, begun[0], env.action.zero())
    assert jax.tree.structure(begun) == jax.tree.structure(after)
    for one, two in zip(jax.tree.leaves(begun), jax.tree.leaves(after), strict=True):
        assert (one.shape, one.dtype, one.weak_type) == (two.shape, two.dtype, two.weak_type)
    obs = begun[1].obs
    assert (obs.shape, obs.dtype) == (env.observation.shape, env.observation.dtype)


@pytest.mark.parametrize("name", ["CartPole-v1", "Breakout-MinAtar"])
def test_a_time_limit_is_no_termination_and_nothing_resets(name: str) -> None:
    _, after = rolled_out(name, 6, 12, episode_length=5)
    assert after.truncated[4].any() and not (after.truncated & after.terminated).any()
    assert not after.truncated[:4].any()
    np.testing.assert_array_equal(after.obs, after.next_obs)  # the true next observation, also at an end
    if name == "CartPole-v1":
        speeds = np.abs(after.obs[:, :, 1])
        assert (speeds[5:] > 0.05).any(axis=0).all()  # a start is slower: none has come


def test_the_own_limit_of_a_task_holds_where_it_is_shorter() -> None:
    assert make_environment("CartPole-v1").episode_length == 500
    assert make_environment("CartPole-v1", episode_length=50).episode_length == 50
    assert (
        make_environment("Acrobot-v1").episode_length == 500 and make_environment("Pendulum-v1").episode_length == 200
    )


def test_minatar_shows_pictures_of_zeros_and_ones() -> None:
    first, after = rolled_out("Breakout-MinAtar", 4, 30)
    assert first.obs.shape == (4, 10, 10, 4) and after.obs.dtype == np.uint8
    assert set(np.unique(after.obs)) == {0, 1}
    assert (first.obs[..., 3].sum(axis=(1, 2)) == 30).all()  # three rows of ten bricks
    hit = 30 - after.obs[..., 3].sum(axis=(2, 3)).astype(int)
    np.testing.assert_array_equal(np.cumsum(after.reward, axis=0)[:8], hit[:8])  # one for each brick


def test_one_start_has_one_future() -> None:
    """What a task of MinAtar draws follows from the start: the same start under the same actions, the same again."""
    env = make_environment("Asterix-MinAtar")
    step = jax.jit(env.step)

    def run(key: jax.Array) -> np.ndarray:
        state, _ = env.reset(key)
        seen = []
        for _ in range(25):
            state, after = step(state, jnp.int32(0))
            seen.append(np.asarray(after.obs))
        return np.stack(seen)

    one, again, other = run(jax.random.key(0)), run(jax.random.key(0)), run(jax.random.key(1))
    assert np.array_equal(one, again) and not np.array_equal(one, other)
