"""Measuring a neighbourhood: a PURD of one state, all of its samples.

Knows the algorithm record and the measurement; knows no algorithm from inside.

Weights are fresh and the log is random, unless a stored checkpoint is asked for: neither changes what a step costs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.harness import ALONE
from benchmarks.workload import Case, Workload
from benchmarks.workloads.training import make_agent, update_only, with_full_log
from landscapes import loading, storage
from landscapes.studies import neighborhood, rejection
from landscapes.studies.measurement import Measure, Purd, Sampling, make_measure
from landscapes.types import Agent, Environment, TrainState

GAMMA = 0.99


class Sampled(NamedTuple):
    """What is measured: so many samples of one kind at one amount, `batch_size` at once, in episodes this long."""

    kind: str
    amount: float
    samples: int
    batch_size: int
    episode_length: int = 1000


def _state(agent: Agent) -> TrainState:
    return with_full_log(jax.jit(agent.init)(jax.random.key(0)))


def _made(env: Environment, agent: Agent, sampled: Sampled, lanes: int | None = None) -> Measure:
    sets_rate = neighborhood.amount_sets_rate(agent, sampled.kind, sampled.amount)
    sampling = Sampling(sampled.kind, sampled.samples, amount_sets_rate=sets_rate)
    return make_measure(env, agent, sampling, sampled.batch_size, GAMMA, lanes=lanes)


def _case(made: Measure, agent: Agent, state: TrainState, sampled: Sampled) -> tuple[Case, Callable[[], Purd]]:
    """The measurement as a case, and as it is."""
    drawing = agent.env_steps if sampled.kind in agent.update_kinds and agent.env_steps > 1 else 0
    key = jax.random.key(1)

    def measure() -> Purd:
        return made.measure(key, state, sampled.amount)

    def run(_: int) -> float:
        return float(measure().lengths.sum(dtype=np.float64)) + sampled.samples * drawing

    def smallest() -> None:
        made.measure(key, state, sampled.amount, entries=range(1))

    return Case(run, 1, smallest), measure


def measurement(
    agent: Mapping[str, Any],
    sampled: Mapping[str, Any],
    lanes: int | None = None,
    updates_per_chunk: int | None = None,
    keep_returns: bool = False,
) -> Workload:
    """Steps lived in the roll-outs, and those of the unrolls that on-policy updates are computed from.

    `agent` holds the arguments of `make_agent`, `sampled` those of `Sampled`. `lanes` and `updates_per_chunk` replace
    what the suite would choose; `keep_returns` reports the returns at the end.
    """
    asked = Sampled(**sampled)
    env, made_agent = make_agent(**agent, episode_length=asked.episode_length)
    if updates_per_chunk is not None:
        made_agent = made_agent._replace(updates_per_chunk=updates_per_chunk)
    made = _made(env, made_agent, asked, lanes)
    case, measure = _case(made, made_agent, _state(made_agent), asked)

    def findings() -> dict[str, Any]:
        return {"returns": measure().returns.tolist()} if keep_returns else {}

    return Workload("step", {ALONE: case}, dict(made.program_shape), findings)


def stored(run: str, seed: int, step: int, results_dir: str, sampled: Mapping[str, Any]) -> Workload:
    """The measurement that a job makes of a stored checkpoint, without the job."""
    asked = Sampled(**sampled)
    found = storage.open_run(Path(results_dir), run)
    env, agent = loading.rebuild(found, asked.episode_length)
    state = loading.load_state(found, seed, step, agent)
    made = _made(env, agent, asked)
    return Workload("step", {ALONE: _case(made, agent, state, asked)[0]}, dict(made.program_shape))


def proposal(agent: Mapping[str, Any], sampled: Mapping[str, Any]) -> Workload:
    """Three cases: a proposal of the rejection procedure (advance, measure, decide), a bare measurement, an update.

    `agent` holds the arguments of `make_agent`, `sampled` those of `Sampled`.
    """
    asked = Sampled(**sampled)
    env, made_agent = make_agent(**agent, episode_length=asked.episode_length)
    first, amount = made_agent.warm_up_steps, asked.amount
    state = _state(made_agent)
    made = _made(env, made_agent, asked)
    case, measure = _case(made, made_agent, state, asked)
    advance = rejection.make_updater(made_agent).advance
    incumbent = rejection.score(measure().returns, 0.1)
    number = [0]

    def propose(_: int) -> float:
        number[0] += 1
        key = jax.random.fold_in(jax.random.key(2), number[0])
        candidate = advance(key, state, first + number[0], 1)
        score = rejection.score(made.measure(key, candidate, amount).returns, 0.1)
        rejection.accepts("cvar", score, incumbent)
        return 1.0

    def bare(_: int) -> float:
        measure()
        return 1.0

    def smallest() -> None:
        key = jax.random.key(2)
        made.measure(key, advance(key, state, first, 1), amount, entries=range(1))

    cases = {
        "proposal": Case(propose, 1, smallest),
        "measurement": Case(bare, 1, case.smallest),
        "update": update_only(made_agent, state),
    }
    return Workload("piece", cases, dict(made.program_shape))
