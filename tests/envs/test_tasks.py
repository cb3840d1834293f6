"""Which task runs on which physics: the table against Brax itself, against the documentation, and at the border."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.config.compose import compose_job
from landscapes.config.launch import run_entry_point
from landscapes.envs import brax, make_environment, tasks
from landscapes.errors import UserError

ROOT = Path(__file__).resolve().parents[2]
OFFERED = [(name, backend) for name, backends in tasks.TASKS.items() for backend in backends]
EPISODE_LENGTH = 10


def is_built(name: str, backend: str) -> bool:
    """Whether Brax builds the pair; it raises ValueError for one that it has not."""
    try:
        brax.build(name, backend)
    except ValueError:
        return False
    return True


BRAX = [name for name, backends in tasks.TASKS.items() if set(backends) <= set(tasks.BRAX)]


@pytest.mark.parametrize("name", BRAX)
def test_the_table_is_what_brax_builds(name: str) -> None:
    assert tuple(backend for backend in tasks.BRAX if is_built(name, backend)) == tasks.TASKS[name]


def check_traces(name: str, backend: str) -> None:
    """Resets and steps without compiling anything; a step keeps structure, shapes and dtypes."""
    env = make_environment(name, backend, EPISODE_LENGTH)
    before = jax.eval_shape(env.reset, jax.random.key(0))
    after = jax.eval_shape(env.step, before[0], jax.ShapeDtypeStruct(env.action.shape, env.action.dtype))
    assert jax.tree.structure(after) == jax.tree.structure(before)
    assert [(x.shape, x.dtype) for x in jax.tree.leaves(after)] == [(x.shape, x.dtype) for x in jax.tree.leaves(before)]
    assert backend not in tasks.BRAX or (env.scene is not None and env.scene()["pieces"])


@pytest.mark.slow
@pytest.mark.parametrize("name, backend", OFFERED)
def test_every_pair_resets_and_steps(name: str, backend: str) -> None:
    check_traces(name, backend)


FLUIDS = ("FishSwim", "SwimmerSwimmer6")
MANY = {*tasks.ATARI[2:], *tasks.DM_CONTROL[1:]} - {*FLUIDS}
"""Of which one or two others stand for all."""
LACK = [name for name, found in tasks.TASKS.items() if found != tasks.BRAX and name not in MANY]


@pytest.mark.parametrize("name", LACK)
def test_a_task_that_lacks_backends_resets_and_steps_on_those_it_has(name: str) -> None:
    for backend in tasks.TASKS[name]:
        check_traces(name, backend)


def test_drag_through_a_fluid_is_that_of_the_formula() -> None:
    """Brax's drag asks for a bound in a way that JAX no longer knows; with a box of mass 1, of 2 by 4 by 6."""
    import brax.fluid
    from brax.base import Motion, Transform

    size, mass = np.array([2.0, 4.0, 6.0]), 1.0
    inertia = np.diag(mass / 12 * (np.sum(size**2) - size**2)).astype(np.float32)
    swimmer = brax_swimmer().sys
    one = jax.tree.map(lambda x: x[:1], swimmer.link)
    one = one.replace(inertia=one.inertia.replace(transform=Transform.zero((1,))))
    still = swimmer.replace(link=one, density=jnp.float32(0.0), viscosity=jnp.float32(0.1))
    speed = Motion(ang=jnp.zeros((1, 3)), vel=jnp.array([[1.0, 0.0, 0.0]]))
    with jax.numpy_rank_promotion("allow"):
        force = brax.fluid.force(
            still, Transform.zero((1,)), speed, jnp.full(1, mass), jnp.asarray(inertia)[None], jnp.zeros((1, 3))
        )
    # MuJoCo's: -3 pi viscosity diameter velocity, the diameter being the mean of the box's sides.
    np.testing.assert_allclose(force.vel[0], [-3 * np.pi * size.mean() * 0.1, 0.0, 0.0], rtol=1e-5)


def brax_swimmer():
    return brax.build("swimmer", "generalized")


@pytest.mark.parametrize("key, more", [("env", []), ("env_name", []), ("env_id", ["experiment=train_ppo"])])
def test_a_pair_that_is_not_there_is_refused_before_anything(key: str, more: list[str], capsys, tmp_path: Path) -> None:
    mistakes = {
        (f"experiment.{key}=swimmer", "experiment.backend=spring"): "experiment.backend=spring: swimmer has only",
        (
            f"experiment.{key}=CartPole-v1",
            "experiment.backend=mjx",
        ): "experiment.backend=mjx: CartPole-v1 has",
        (f"experiment.{key}=swimmer", "experiment.backend=mjx"): "experiment.backend=mjx: swimmer has only generalized",
        (
            f"experiment.{key}=ant",
            "experiment.backend=x",
        ): f"experiment.backend=x: must be one of {', '.join(tasks.BACKENDS)}",
        (f"experiment.{key}=hoper",): f"experiment.{key}=hoper: must be one of ",
    }
    for arguments, message in mistakes.items():
        with pytest.raises(UserError, match=f"^{re.escape(message)}"):
            compose_job("run_algorithm", [*more, *arguments])
    for name in ("swimmer", "CartPole-v1", "ant"):  # each on its own
        settings = compose_job("run_algorithm", [*more, f"experiment.{key}={name}"]).settings
        assert settings.backend == tasks.TASKS[name][0]
    compose_job("run_algorithm", [*more, f"experiment.{key}=my.own.make", "experiment.backend=anything"])
    # In a sweep, before its first member.
    assert (
        run_entry_point("run_algorithm", [*more, "-m", f"experiment.{key}=hopper,swimmer", "experiment.backend=spring"])
        == 2
    )
    told = capsys.readouterr()
    assert (told.out, len(told.err.splitlines())) == ("", 1)
    assert told.err.startswith("experiment.backend=spring: swimmer has only generalized")
    assert not (tmp_path / "results").exists()


def test_the_documentation_has_the_table() -> None:
    page = (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([A-Za-z0-9_, -]+) \| ((?:`\w+`(?:, )?)+) \|$", page.partition("| task | ")[2], re.MULTILINE
    )
    told = {name: tuple(re.findall(r"`(\w+)`", backends)) for names, backends in rows for name in names.split(", ")}
    assert told == dict(tasks.TASKS)
