"""Measuring a neighbourhood: a PURD of one state, all of its samples.

Knows the algorithm record and the measurement; knows no algorithm from inside.

Weights are fresh and the log is random, unless a stored checkpoint is asked for: neither changes what a step costs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.harness import ALONE
from benchmarks.workload import Case, Workload
from benchmarks.workloads.training import make_agent, update_only, with_full_log
from landscapes import loading, storage
from landscapes.studies import neighborhood, rejection
from landscapes.studies.measurement import Measure, Purd, make_measure
from landscapes.types import Agent, Environment, TrainState

GAMMA = 0.99


def _state(agent: Agent) -> TrainState:
    return with_full_log(jax.jit(agent.init)(jax.random.key(0)))


def _made(
    env: Environment,
    agent: Agent,
    kind: str,
    amount: float,
    samples: int,
    batch_size: int,
    lanes: int | None = None,
) -> Measure:
    sets_rate = neighborhood.amount_sets_rate(agent, kind, amount)
    return make_measure(env, agent, kind, samples, batch_size, GAMMA, sets_rate, lanes)


def _case(
    made: Measure, agent: Agent, state: TrainState, kind: str, amount: float, samples: int
) -> tuple[Case, Callable[[], Purd]]:
    """The measurement as a case, and as it is."""
    drawing = agent.env_steps if kind in agent.update_kinds and agent.env_steps > 1 else 0
    key = jax.random.key(1)

    def measure() -> Purd:
        return made.measure(key, state, amount)

    def run(_: int) -> float:
        return float(measure().lengths.sum(dtype=np.float64)) + samples * drawing

    def smallest() -> None:
        made.measure(key, state, amount, None, 0, 1)

    return Case(run, 1, smallest), measure


def measurement(
    algorithm: str,
    config: Mapping[str, Any],
    environment: str,
    backend: str,
    kind: str,
    amount: float,
    samples: int,
    batch_size: int,
    episode_length: int = 1000,
    ends: str = "never",
    lanes: int | None = None,
    updates_per_chunk: int | None = None,
    keep_returns: bool = False,
) -> Workload:
    """Steps lived in the roll-outs, and those of the unrolls that on-policy updates are computed from.

    `lanes` and `updates_per_chunk` replace what the suite would choose; `keep_returns` reports the returns at the end.
    """
    env, agent = make_agent(algorithm, config, environment, backend, episode_length, ends)
    if updates_per_chunk is not None:
        agent = agent._replace(updates_per_chunk=updates_per_chunk)
    made = _made(env, agent, kind, amount, samples, batch_size, lanes)
    case, measure = _case(made, agent, _state(agent), kind, amount, samples)

    def findings() -> dict[str, Any]:
        return {"returns": measure().returns.tolist()} if keep_returns else {}

    return Workload("step", {ALONE: case}, dict(made.program_shape), findings)


def stored(
    run: str,
    seed: int,
    step: int,
    results_dir: str,
    kind: str,
    amount: float,
    samples: int,
    batch_size: int,
    episode_length: int,
) -> Workload:
    """The measurement that a job makes of a stored checkpoint, without the job."""
    found = storage.open_run(Path(results_dir), run)
    env, agent = loading.rebuild(found, episode_length)
    state = loading.load_state(found, seed, step, agent)
    made = _made(env, agent, kind, amount, samples, batch_size)
    return Workload("step", {ALONE: _case(made, agent, state, kind, amount, samples)[0]}, dict(made.program_shape))


def proposal(
    algorithm: str,
    config: Mapping[str, Any],
    environment: str,
    backend: str,
    kind: str,
    amount: float,
    samples: int,
    batch_size: int,
    episode_length: int = 1000,
) -> Workload:
    """Three cases: a proposal of the rejection procedure (advance, measure, decide), a bare measurement, an update."""
    env, agent = make_agent(algorithm, config, environment, backend, episode_length, "never")
    state = _state(agent)
    made = _made(env, agent, kind, amount, samples, batch_size)
    case, measure = _case(made, agent, state, kind, amount, samples)
    advance = rejection.make_updater(agent).advance
    incumbent = rejection.score(measure().returns, 0.1)
    number = [0]

    def propose(_: int) -> float:
        number[0] += 1
        key = jax.random.fold_in(jax.random.key(2), number[0])
        candidate = advance(key, state, agent.warm_up_steps + number[0], 1)
        score = rejection.score(made.measure(key, candidate, amount).returns, 0.1)
        rejection.accepts("cvar", score, incumbent)
        return 1.0

    def bare(_: int) -> float:
        measure()
        return 1.0

    def smallest() -> None:
        made.measure(jax.random.key(2), advance(jax.random.key(2), state, agent.warm_up_steps, 1), amount, None, 0, 1)

    cases = {
        "proposal": Case(propose, 1, smallest),
        "measurement": Case(bare, 1, case.smallest),
        "update": update_only(agent, state),
    }
    return Workload("piece", cases, dict(made.program_shape))
