"""Classic control against gymnasium's own, step by step; MinAtar's pictures; what every task of gymnax keeps to."""

from typing import Any

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.envs import make_environment, pictures, tasks
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


CONTROL = ("Acrobot-v1", "CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Pendulum-v1")


def drawn(name: str, **fields: float) -> np.ndarray:
    """The picture of a fresh state with other values in these fields."""
    env = make_environment(name)
    state, _ = env.reset(jax.random.key(0))
    simulator = state.simulator.replace(**{field: jnp.float32(value) for field, value in fields.items()})
    assert env.frame is not None
    return np.asarray(env.frame(state._replace(simulator=simulator)))


def middle(picture: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    """Where a colour is, `(across, up)` in pixels from the middle of the picture."""
    rows, columns = np.nonzero((picture == np.array(colour)).all(axis=2))
    return np.array([columns.mean() + 0.5 - picture.shape[1] / 2, picture.shape[0] / 2 - rows.mean() - 0.5])


MOVING = (204, 121, 167)


@pytest.mark.parametrize("name", CONTROL)
def test_a_drawing_is_small_and_of_few_colours(name: str) -> None:
    picture = drawn(name)
    assert picture.shape == (100, 160, 3) and picture.dtype == np.uint8
    assert (picture == MOVING).all(axis=2).sum() > 30
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) < 60


def test_poles_and_rods_stand_where_their_angles_say() -> None:
    """The middle of a rod is half way to its tip; angles as gymnasium draws them."""
    pixels = 160 / 5.2
    upright, leaning = (drawn("CartPole-v1", x=1.0, theta=angle) for angle in (0.0, 0.5))
    lean = middle(leaning, MOVING) - middle(upright, MOVING)
    np.testing.assert_allclose(lean, [0.5 * pixels * np.sin(0.5), 0.5 * pixels * (np.cos(0.5) - 1.0)], atol=1.5)
    assert middle(upright, MOVING)[0] == pytest.approx(pixels, abs=0.6)  # one metre to the right
    for angle in (0.0, 1.0, -2.0):
        expected = 0.5 * 100 / 2.6 * np.array([-np.sin(angle), np.cos(angle)])
        np.testing.assert_allclose(middle(drawn("Pendulum-v1", theta=angle), MOVING), expected, atol=2.5)
    first, second = 0.7, -1.1
    bent = drawn("Acrobot-v1", joint_angle1=first, joint_angle2=second)
    elbow = np.array([np.sin(first), -np.cos(first)])
    outer = elbow + 0.5 * np.array([np.sin(first + second), -np.cos(first + second)])
    np.testing.assert_allclose(middle(bent, MOVING), 100 / 4.5 * outer, atol=2.0)


def test_a_car_is_on_its_hill() -> None:
    for position in (-1.0, -0.5, 0.4):
        across, up = middle(drawn("MountainCar-v0", position=position), MOVING)
        pixels = 160 / 1.86
        assert across == pytest.approx(pixels * (position + 0.3), abs=6.0)
        height = 0.45 * np.sin(3.0 * position) + 0.55
        assert 0.0 < up - pixels * (height - 0.63) < 8.0


@pytest.mark.parametrize("name", [name for name in tasks.TASKS if name.endswith("MinAtar")])
def test_cells_have_the_colour_of_their_highest_channel(name: str) -> None:
    env = make_environment(name)
    state, _ = env.reset(jax.random.key(0))
    step = jax.jit(env.step)
    for turn in range(6):
        state, after = step(state, jnp.int32(turn % env.action.num))
    assert env.frame is not None
    picture = np.asarray(env.frame(state))
    assert picture.shape == (10, 10, 3) and picture.dtype == np.uint8
    channels = np.asarray(after.obs)
    for row in range(10):
        for column in range(10):
            set_here = np.flatnonzero(channels[row, column])
            highest = set_here[-1] + 1 if len(set_here) else 0
            np.testing.assert_array_equal(picture[row, column], pictures.CELLS[highest])
