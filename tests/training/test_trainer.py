"""The compiled loop of training is one program, whatever an environment's numbers are typed as."""

import jax
import jax.numpy as jnp
import probes
import pytest

from landscapes import training
from landscapes.training import make_agent
from landscapes.types import Environment


def weakly_typed() -> Environment:
    """The line, with a `terminated` that JAX types weakly, as it does a comparison of Python's own numbers."""
    env = probes.line(10)

    def step(state, action):  # type: ignore[no-untyped-def]
        after, timestep = env.step(state, action)
        done = jnp.where(timestep.terminated, 1.0, 0.0)
        return after, timestep._replace(terminated=done > 0.5)

    return env._replace(step=step)


@pytest.mark.parametrize("env", [probes.line(10), weakly_typed()], ids=["strong", "weak"])
def test_every_call_is_of_the_same_program(env: Environment) -> None:
    """The states that come out are arguments of the program that they came out of: none is compiled for them."""
    agent = make_agent(env, probes.quadratic_algorithm(probes.Config(), env.spaces))
    made = training.make_trainer(agent)
    keys = training.member_keys(0, 2)
    members, tallies = made.init(keys.init), made.blank(2)
    before = told((members, tallies))
    for start in range(2):
        members, tallies = made.advance(keys.train, members, tallies, start, start + 1)
        assert told((members, tallies)) == before


def told(tree: object) -> list[tuple[object, ...]]:
    """All of its arrays that a compiled program depends on."""
    return [(x.shape, x.dtype, x.aval.weak_type, x.sharding) for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]
