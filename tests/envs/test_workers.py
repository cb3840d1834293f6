"""Lanes that several processes step: the same numbers, and no process that outlives or hangs its job."""

import functools
import gc
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import trees
import walkers

from landscapes.envs import workers
from landscapes.envs.hosted import make_hosted
from landscapes.envs.pool import NAME_SIZE
from landscapes.envs.simulator import Hosted
from landscapes.envs.workers import Workers
from landscapes.types import Environment

BACKENDS = list(walkers.STEPS_PER_SAVE)


def shared(backend: str, **changed: Any) -> Hosted:
    return walkers.hosted(12, backend)._replace(least_share=1, **changed)


def episodes(env: Environment, num_lanes: int) -> Any:
    """All that is seen of a few episodes, one after the other, of lanes that end at times of their own."""

    def step(states: Any, key: Any) -> Any:
        key_action, key_renew = jax.random.split(key)
        actions = jnp.asarray(jax.random.uniform(key_action, (num_lanes,)) < 0.7, jnp.int32)
        states, after = jax.vmap(env.step)(states, actions)
        assert env.renew is not None
        ended = after.terminated | after.truncated
        states, obs = jax.vmap(env.renew)(jax.random.split(key_renew, num_lanes), states, ended)
        return states, (after, obs, states)

    @jax.jit
    def run(key: Any) -> Any:
        key_start, key_steps = jax.random.split(key)
        states, first = jax.vmap(env.reset)(jax.random.split(key_start, num_lanes))
        return first, jax.lax.scan(step, states, jax.random.split(key_steps, 30))

    return run(jax.random.key(6))


@pytest.mark.parametrize("backend", BACKENDS)
def test_processes_change_nothing(backend: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "num_cores", lambda: 3)
    alone, together = (make_hosted(hosted, backend) for hosted in (walkers.hosted(12, backend), shared(backend)))
    made = walkers.Walker.made
    found = episodes(together, 7)
    here = walkers.Walker.made - made
    assert 1 <= here < 7  # the others are made elsewhere
    trees.assert_same(found, episodes(alone, 7))
    assert np.asarray(found[1][1][0].terminated).sum() > 7


def ask(pool: Workers, num_lanes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    asked = np.stack([np.arange(num_lanes), np.ones(num_lanes)], axis=-1).astype(np.uint32)
    obs, names = np.empty((num_lanes, walkers.NUM_PLACES), np.float32), np.empty((num_lanes, NAME_SIZE), np.uint32)
    pool.start([asked], [obs, names])
    return obs, names


def process_of(pool: Workers) -> "subprocess.Popen[bytes]":
    (worker,) = pool._workers
    return worker.process


def test_few_lanes_hire_no_one() -> None:
    pool = Workers(walkers.hosted(12, "saved")._replace(least_share=4), most=2)
    ask(pool, 7)
    assert not pool._workers
    ask(pool, 8)
    assert len(pool._workers) == 1


@pytest.mark.parametrize("make", [lambda: walkers.Walker(), type("Walker", (), {"__module__": "__main__"})])
def test_a_simulator_of_this_process_alone_stays_in_it(make: Callable[[], Any]) -> None:
    pool = Workers(shared("saved", make=make), most=2)
    assert pool._most == 1


def broken(here: int) -> walkers.Walker:
    if os.getpid() != here:
        raise ValueError("no such walker")
    return walkers.Walker()


def test_what_fails_is_told() -> None:
    pool = Workers(shared("saved", make=functools.partial(broken, os.getpid())), most=2)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="in a process that steps simulators: ValueError: no such walker"):
            ask(pool)

    def nowhere() -> walkers.Walker:
        raise RuntimeError("nowhere")

    reset = jax.vmap(make_hosted(shared("saved", make=nowhere), "saved").reset)
    with pytest.raises(Exception, match="nowhere"):
        jax.block_until_ready(reset(jax.random.split(jax.random.key(0), 4)))


def test_a_signal_to_all_is_for_the_job_to_hear() -> None:
    pool = Workers(shared("saved"), most=2)
    first = ask(pool)
    for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGUSR2"):
        process_of(pool).send_signal(getattr(signal, name))
    trees.assert_same(ask(pool), first)


def test_a_process_that_was_killed_is_named_as_such() -> None:
    pool = Workers(shared("saved"), most=2)
    ask(pool)
    process_of(pool).kill()
    with pytest.raises(RuntimeError, match=r"a process that steps simulators ended by signal 9 \(9: killed"):
        ask(pool)


def test_no_process_is_left() -> None:
    pool = Workers(shared("saved"), most=2)
    ask(pool)
    process = process_of(pool)
    del pool
    gc.collect()
    assert process.returncode == 0


KILLED = """
import time
import test_workers
pool = test_workers.Workers(test_workers.shared("saved"), most=2)
test_workers.ask(pool)
print(test_workers.process_of(pool).pid, flush=True)
time.sleep(60)
"""


def test_no_process_outlives_a_job_that_is_killed() -> None:
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    with subprocess.Popen(
        [sys.executable, "-c", KILLED], stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": path}
    ) as job:
        assert job.stdout is not None
        pid = int(job.stdout.readline())
        os.kill(pid, 0)
        job.kill()
    limit = time.monotonic() + 20
    while time.monotonic() < limit and _lives(pid):
        time.sleep(0.05)
    assert not _lives(pid)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
