"""MuJoCo Playground's tasks beside the package itself, stepped as it steps them."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.envs import make_environment, playground, tasks
from landscapes.errors import UserError

NAME = "CartpoleBalance"


def test_the_names_are_those_of_the_package() -> None:
    suite = playground.suite()
    assert sorted(tasks.DM_CONTROL) == sorted(suite.ALL_ENVS)
    assert sys.modules["mujoco_playground"].__spec__ is not None
    assert "mujoco_playground._src.locomotion" not in sys.modules  # which fetches models from the network


def test_steps_are_those_of_the_package() -> None:
    """Two lanes of twenty steps against the task alone: rewards, observations, poses, and the end at the time limit."""
    env = make_environment(NAME, episode_length=20)
    task = playground.suite().load(NAME)
    keys = jax.random.split(jax.random.key(3), 2)
    actions = np.sin(np.arange(40, dtype=np.float32)).reshape(20, 2, 1) * 1.5  # some beyond the range

    @jax.jit
    def ours(keys: jax.Array) -> tuple[jax.Array, ...]:
        def step(state, action):  # type: ignore[no-untyped-def]
            state, timestep = jax.vmap(env.step)(state, action)
            places, _ = jax.vmap(env.pose)(state)
            return state, (timestep.obs, timestep.reward, timestep.terminated, timestep.truncated, places)

        state, first = jax.vmap(env.reset)(keys)
        return first.obs, *jax.lax.scan(step, state, jnp.asarray(actions))[1]

    first, obs, rewards, terminated, truncated, places = (np.asarray(x) for x in ours(keys))
    with jax.numpy_rank_promotion("allow"):  # the package relies on it
        step, reset = jax.jit(task.step), jax.jit(task.reset)
        for lane in range(2):
            state = reset(jax.random.key_data(keys)[lane])
            np.testing.assert_allclose(first[lane], state.obs, rtol=1e-5, atol=1e-6)
            for t in range(20):
                state = step(state, np.clip(actions[t, lane], -1.0, 1.0))
                np.testing.assert_allclose(obs[t, lane], state.obs, rtol=1e-3, atol=1e-4)
                np.testing.assert_allclose(rewards[t, lane], state.reward, rtol=1e-4, atol=1e-5)
                np.testing.assert_allclose(places[t, lane], state.data.xpos[1:], rtol=1e-3, atol=1e-4)
    assert not terminated.any()
    assert truncated.tolist() == [[False] * 2] * 19 + [[True] * 2]
    assert env.scene is not None
    scene = env.scene()
    assert scene["links"] == ["cart", "pole_1"] and scene["follow"] is None and scene["pieces"]
    assert np.ptp(places[:, 0, 0, 0]) > 0.0, "the cart moves"


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in [name for name in sys.modules if name.partition(".")[0] == "mujoco_playground"]:
        monkeypatch.delitem(sys.modules, module)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"^env=WalkerWalk: needs playground.*-r playground_requirements.txt$"):
        make_environment("WalkerWalk")
