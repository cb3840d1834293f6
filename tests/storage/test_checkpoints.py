"""Checkpoints hold the learner and the lanes, and say how much of the log they have seen."""

from typing import NamedTuple

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from landscapes.errors import UserError
from landscapes.experience.replay import make_replay
from landscapes.spaces import Box, Spaces
from landscapes.storage import (
    checkpoint_attributes,
    create_run,
    load_checkpoint,
    read_hdf5,
    save_checkpoint,
    write_hdf5,
)
from landscapes.types import Policy, TrainState


class Learner(NamedTuple):
    policy: Policy
    count: jax.Array


SPACES = Spaces(Box((3,)), Box((1,), -1.0, 1.0))


def make_state(log):
    policy = Policy({"kernel": jnp.arange(6.0).reshape(2, 3)}, ())
    return TrainState(Learner(policy, jnp.uint32(9)), log, {"steps": jnp.uint32(4)})


@pytest.fixture
def run(tmp_path):
    record = {"num_seeds": 2, "config": {"algo": "td3"}, "versions": {"jax": "1"}, "git": None}
    return create_run(tmp_path, "one", record, overwrite=False)


@pytest.mark.parametrize("rows", [None, 0, 12])
def test_round_trip(run, rows):
    log = () if rows is None else make_replay(SPACES, capacity=8)._replace(count=jnp.uint32(rows))
    state = make_state(log)
    path = save_checkpoint(run, 1, 500, state, {"units": "steps", "step": -1})
    assert path == run.checkpoint_path(1, 500) and run.checkpoint_steps(1) == [500]
    datasets, attributes = read_hdf5(path, "file")
    assert sorted(datasets) == ["lanes/steps", "learner/count", "learner/policy/params/kernel"]
    assert attributes == checkpoint_attributes(run, 1, 500)
    assert attributes == {
        "schema_version": 2,
        "run_name": "one",
        "step": 500,
        "seed": 1,
        "log_rows": rows or 0,
        "log_capacity": 0 if rows is None else 8,
        "units": "steps",
        "config": {"algo": "td3"},
        "versions": {"jax": "1"},
        "git": None,
    }
    restored = load_checkpoint(run, 1, 500, jax.eval_shape(lambda: state)._replace(log=state.log))
    assert restored.log is state.log
    assert jax.tree.structure(restored) == jax.tree.structure(state)
    for found, expected in zip(jax.tree.leaves(restored), jax.tree.leaves(state), strict=True):
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    again = save_checkpoint(run, 1, 501, restored, {"units": "steps"})
    assert h5py.is_hdf5(again)


def test_equal_states_give_equal_bytes(run):
    first = save_checkpoint(run, 0, 5, make_state(()), {}).read_bytes()
    assert save_checkpoint(run, 0, 5, make_state(()), {}).read_bytes() == first


def test_what_cannot_be_loaded_is_one_line(run):
    with pytest.raises(UserError, match=r"ckpt_5\.h5: cannot be read: No such file"):
        load_checkpoint(run, 0, 5, make_state(()))
    path = save_checkpoint(run, 0, 5, make_state(()), {})
    other = make_state(())._replace(learner=make_state(()).learner._replace(count=jnp.zeros(2)))
    with pytest.raises(UserError, match=r"ckpt_5\.h5: its data set learner/count is uint32 \[\]"):
        load_checkpoint(run, 0, 5, other)
    datasets, attributes = read_hdf5(path, "file")
    write_hdf5(path, datasets, {**attributes, "schema_version": 99})
    with pytest.raises(UserError, match="schema_version is 99"):
        load_checkpoint(run, 0, 5, make_state(()))
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(UserError, match="truncated or damaged"):
        load_checkpoint(run, 0, 5, make_state(()))
