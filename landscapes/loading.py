"""From a stored checkpoint back to a living environment, algorithm and state.

Knows run folders and the registries of environments and algorithms; knows no study and no command line.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax

from landscapes import training
from landscapes.algorithms import make_algorithm
from landscapes.envs import make_environment
from landscapes.errors import UserError
from landscapes.experience.replay import Replay
from landscapes.storage import (
    Run,
    check_checkpoint,
    check_seed,
    checkpoint_attributes,
    load_checkpoint,
    load_log,
    open_run,
    results_directory,
)
from landscapes.types import Agent, Environment, TrainState


class Loaded(NamedTuple):
    """What one more update, or any measurement, needs."""

    env: Environment
    agent: Agent
    state: TrainState


def make_agent(name: str, settings: Mapping[str, Any], env: Environment, key: str = "algorithm") -> Agent:
    """The algorithm of that name, with these settings, at work in `env`; raises UserError where they do not fit."""
    return training.make_agent(env, make_algorithm(name, settings, env.spaces, key))


def rebuild(run: Run, episode_length: int | None = None, start_noise: float = 1.0) -> tuple[Environment, Agent]:
    """The environment and the algorithm of a stored run, as its record describes them.

    `episode_length` (steps) replaces the run's own; `start_noise` scales the start noise of the resets that training
    makes (measurements pass their own).
    """
    record = run.record
    stored = record["environment"]
    options = stored.get("options", {})
    length = episode_length or stored["episode_length"]
    env = make_environment(stored["name"], stored["backend"], length, options=options)
    trained = env
    if options:  # some act in training only
        trained = make_environment(stored["name"], stored["backend"], length, options=options, training=True)
    training_env = trained._replace(reset=lambda key, start_noise=start_noise: trained.reset(key, start_noise))
    stored = record["algorithm"]
    return env, make_agent(stored["name"], stored["config"], training_env)


def stored_rows(run: Run, seed: int, step: int) -> int:
    """How many rows of the replay log the checkpoint sees (0 if its algorithm keeps none)."""
    return int(str(checkpoint_attributes(run, seed, step)["log_rows"]))


def has_data(run: Run, seed: int, step: int) -> bool:
    """Whether an update at that checkpoint has data: not where it would draw its batch from an empty replay log."""
    attributes = checkpoint_attributes(run, seed, step)
    return not attributes["log_capacity"] or bool(attributes["log_rows"])


def check_has_data(run: Run, seed: int, step: int, key: str) -> None:
    """Raises UserError under `key` where an update at that checkpoint would draw its batch from an empty replay log."""
    if not has_data(run, seed, step):
        allowed = f"no update can be made there: the replay log of seed {seed} of run {run.name} was still empty"
        raise UserError(key, step, allowed)


def stored_iteration(run: Run, seed: int, step: int) -> int:
    """How many iterations of training brought the checkpoint about, from the start of the first run on."""
    return int(str(checkpoint_attributes(run, seed, step)["iteration"]))


def load_state(
    run: Run, seed: int, step: int, agent: Agent, log_rows: int | None = None, with_log: bool = True
) -> TrainState:
    """The state of a checkpoint on the device.

    The replay log gets room for `log_rows` rows (by default, those that the checkpoint sees), but never for more than
    the run itself kept: states of equal room share their compiled programs. `with_log=False` leaves `()` in its place,
    for whoever makes no update.
    """
    template = jax.eval_shape(agent.init, jax.random.key(0))
    state = load_checkpoint(run, seed, step, template)
    log = template.log if with_log else ()
    if isinstance(log, Replay):
        seen = stored_rows(run, seed, step)
        capacity = min(log.data.reward.shape[0], max(seen, log_rows or 0, 1))
        log = load_log(run, seed, seen, capacity, template=log)
    state = state._replace(log=log)
    # Not `jnp.asarray`, which compiles a program for every shape.
    return jax.device_put(state)


def load(run: str, seed: int = 0, step: int | None = None, results_dir: str | Path | None = None) -> Loaded:
    """The environment, algorithm and state of seed `seed` of the run called `run` at checkpoint `step`.

    By default the last checkpoint is taken. Raises UserError naming what is present where something is not.
    """
    found = open_run(results_directory(None if results_dir is None else str(results_dir)), run, "run")
    check_seed(found, seed, "seed")
    steps = found.checkpoint_steps(seed)
    if step is None and not steps:
        raise UserError("step", None, f"seed {seed} of run {run} has no checkpoints yet")
    chosen = steps[-1] if step is None else step
    check_checkpoint(found, seed, chosen, "step")
    env, agent = rebuild(found)
    return Loaded(env, agent, load_state(found, seed, chosen, agent))
