"""One contract, every algorithm: what training, studies and files rely on, tried with tiny sizes on a probe."""

import functools
import itertools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import scipy.stats
import trees

from landscapes import storage, training
from landscapes.algorithms import td3
from landscapes.experience import replay
from landscapes.loading import make_agent
from landscapes.networks import optimizers
from landscapes.spaces import Box, Spaces
from landscapes.types import Agent, Environment, Key, TimeStep, TrainState, Transition

NUM_SEEDS = 3
WARM_UP = 4
CAPACITY = 16  # fewer than the rows that come: the ring wraps
OFF_POLICY = {
    "hidden_dims": [8],
    "actor_batch_size": 4,
    "critic_batch_size": 4,
    "learning_starts": WARM_UP,
    "replay_capacity": CAPACITY,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "td3": OFF_POLICY,
    "sac": OFF_POLICY,
    "ppo": {"hidden_dims": [8], "num_envs": 2, "unroll_length": 4, "num_epochs": 2, "total_timesteps": 400},
    # Every switch of PPO at once.
    "ppo, switched": {
        **{"hidden_dims": [8], "num_envs": 2, "unroll_length": 4, "num_epochs": 2, "total_timesteps": 400},
        **{"squash": True, "squashed_entropy": True, "ent_coef": 0.01, "log_std_max": 0.5, "log_std_init": -0.2},
        **{"advantage_normalization": "batch", "clip_vloss": True, "target_kl": 0.1, "lr_schedule": "kl"},
        **{"separate_optimizers": True, "critic_learning_rate": 1e-3, "critic_max_grad_norm": 0.5},
        **{"activation": "relu", "initialization": "torch", "actor_final_scale": 1.0},
        **{"normalize_observations": True, "clip_observations": 10.0, "normalize_rewards": True, "clip_rewards": 10.0},
    },
    "vpg": {
        **{"hidden_dims": [8], "num_envs": 2, "unroll_length": 4, "policy_iterations": 2, "value_iterations": 3},
        **{"fresh_starts": False, "actor_final_scale": 0.5, "critic_final_scale": 1.0},
    },
    # As published: fresh starts, and so no lanes to go on with.
    "vpg, fresh": {
        **{"hidden_dims": [8], "num_envs": 2, "unroll_length": 4, "policy_iterations": 2, "value_iterations": 3},
        **{"actor_final_scale": 0.5, "critic_final_scale": 1.0},
    },
}
"""By the name of the algorithm, and after a comma what is set of it."""
NORMS = {f"{whose}_grad_norm{what}" for whose in ("actor", "critic") for what in ("", "_var", "_cv")}
OF_RATIO = {"policy_loss", "value_loss", "entropy", "approx_kl", "clip_fraction", "value"}
OF_UNROLL = {"reward", "episodes_ended"}
METRICS = {
    "td3": {"critic_loss", "q1", "q2", "critic_grad_norm", "actor_loss", "actor_grad_norm"},
    "sac": {
        *("critic_loss", "q1", "q2", "critic_grad_norm", "actor_loss", "actor_grad_norm"),
        *("entropy", "temperature", "temperature_loss"),
    },
    "ppo": {*OF_RATIO, *OF_UNROLL, *NORMS, "loss", "grad_norm", "learning_rate", "epochs"},
    "ppo, switched": {*OF_RATIO, *OF_UNROLL, *NORMS, "learning_rate", "epochs"},
    "vpg": {*OF_RATIO, *OF_UNROLL, *NORMS},
    "vpg, fresh": {*OF_RATIO, *OF_UNROLL, *NORMS},
}
ACTOR_ALONE = {"policy", "actor_opt_state"}
MOVED_BY_POLICY_UPDATE = {
    "td3": ACTOR_ALONE,
    "sac": ACTOR_ALONE,
    "ppo": {"policy", "critic", "opt_state"},
    "ppo, switched": {"policy", "opt_state"},
    "vpg": ACTOR_ALONE,
    "vpg, fresh": ACTOR_ALONE,
}
RATES = {"td3": 3e-4, "sac": 3e-4, "ppo": 2.6e-3, "vpg": 1e-3}
BATCHES = {"td3": (4, 3), "sac": (4, 3), "ppo": (4, 3), "vpg": (8, 3)}
"""Shapes of a batch's observations: of PPO one of two minibatches of 2 environments x 4 steps, of VPG all of them."""


class Case(NamedTuple):
    """An algorithm on the line, its compiled training, and what that came to."""

    row: str
    """Of `SETTINGS`."""
    env: Environment
    calls: dict[str, int]
    algorithm: Agent
    trainer: training.Trainer
    keys: training.MemberKeys
    first: TrainState
    """After `init`."""
    later: TrainState
    """After iterations 0..19."""
    metrics: dict[str, np.ndarray]
    """Of iterations WARM_UP..19."""
    policy_update: Callable[..., Any]

    def advance(self, state: TrainState, start: int, stop: int) -> TrainState:
        return advanced(self.trainer, self.keys.train, placed(self.trainer, state), start, stop)[0].joined()

    @property
    def name(self) -> str:
        return self.row.partition(",")[0]

    @property
    def member(self) -> TrainState:
        """A member in the middle of its training."""
        return trees.row(self.later, 1)


def placed(trainer: training.Trainer, states: TrainState) -> training.Members:
    """Members from states `[NUM_SEEDS, ...]`."""
    return trainer.place([trees.row(states, i) for i in range(NUM_SEEDS)])


def advanced(
    trainer: training.Trainer, keys: Key, members: training.Members, start: int, stop: int
) -> tuple[training.Members, dict[str, np.ndarray]]:
    """The members after these iterations, and the means of their metrics."""
    members, tallies = trainer.advance(keys, members, trainer.blank(NUM_SEEDS), start, stop)
    return members, training.means(tallies)


@functools.cache
def make_case(row: str) -> Case:
    env, calls = probes.counted(probes.line(episode_length=5))
    algorithm = make_agent(row.partition(",")[0], SETTINGS[row], env)
    trainer = training.make_trainer(algorithm)
    keys = training.member_keys(0, NUM_SEEDS)
    first = trainer.init(keys.init).joined()
    members, _ = advanced(trainer, keys.train, placed(trainer, first), 0, WARM_UP)
    members, metrics = advanced(trainer, keys.train, members, WARM_UP, 20)
    later = members.joined()
    policy_update = jax.jit(algorithm.policy_update)
    return Case(row, env, calls, algorithm, trainer, keys, first, later, metrics, policy_update)


@pytest.fixture(params=list(SETTINGS))
def case(request) -> Case:
    return make_case(request.param)


with_a_log = pytest.mark.parametrize("case", ["td3", "sac"], indirect=True)
only_td3 = pytest.mark.parametrize("case", ["td3"], indirect=True)


def sampled(case: Case, seed: int = 0) -> Any:
    return jax.jit(case.algorithm.sample_batch)(jax.random.key(seed), case.member)


# --- states


def test_states_keep_structure_shape_and_dtype(case):
    key = jax.random.key(0)
    state = jax.eval_shape(case.algorithm.init, key)
    steps = [lambda k, s, i=i: case.algorithm.train_step(k, s, i)[0] for i in range(case.algorithm.period)]
    for step in [case.algorithm.warm_up, *steps]:
        new = jax.eval_shape(step, key, state)
        assert jax.tree.structure(new) == jax.tree.structure(state)
        for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
            after = dict(jax.tree_util.tree_flatten_with_path(new)[0])[path]
            # A changed weak type would compile everything a second time.
            assert (after.shape, after.dtype, after.weak_type) == (leaf.shape, leaf.dtype, leaf.weak_type), path


def test_states_hold_no_keys_and_policies_only_floats(case):
    assert not any(jnp.issubdtype(x.dtype, jax.dtypes.prng_key) for x in jax.tree.leaves(case.first))
    assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(case.first.learner.policy))


def test_everything_stays_finite(case):
    assert case.trainer.finite(placed(case.trainer, case.later)).tolist() == [True] * NUM_SEEDS
    broken = jax.tree.map(lambda x: x.at[1].set(jnp.nan), case.later.learner.policy)
    broken = case.later._replace(learner=case.later.learner._replace(policy=broken))
    assert case.trainer.finite(placed(case.trainer, broken)).tolist() == [True, False, True]


# --- keys


def test_same_key_same_result(case):
    trees.assert_same(case.trainer.init(case.keys.init).joined(), case.first)
    trees.assert_same(case.advance(case.first, 0, 20), case.later)
    members = placed(case.trainer, case.first)
    other = advanced(case.trainer, training.member_keys(1, NUM_SEEDS).train, members, 0, 20)[0].joined()
    assert not trees.is_same(other.learner.policy, case.later.learner.policy)


def test_no_two_members_or_uses_share_a_key():
    def numbers(random_seed: int, num_seeds: int) -> np.ndarray:
        return np.stack([jax.random.key_data(keys) for keys in training.member_keys(random_seed, num_seeds)])

    both = np.stack([numbers(seed, NUM_SEEDS) for seed in (0, 1)])
    assert len(np.unique(both.reshape(-1, 2), axis=0)) == 2 * 3 * NUM_SEEDS
    # Member i is member i in any company.
    np.testing.assert_array_equal(numbers(0, NUM_SEEDS + 2)[:, :NUM_SEEDS], both[0])


def kernels(params: Any) -> list[np.ndarray]:
    return [np.asarray(x) for x in jax.tree.leaves(params) if x.ndim >= 2]


def test_members_differ_from_the_first_weights_on(case):
    critic = case.first.learner.critic
    for weights in kernels((case.first.learner.policy, critic)):
        if weights.ndim == 3:  # [num_seeds, in, out]; biases and log-stds begin at 0
            for i, j in itertools.combinations(range(NUM_SEEDS), 2):
                assert not np.array_equal(weights[i], weights[j])


def test_equal_shaped_layers_begin_with_different_weights(case):
    learner = trees.row(case.first, 0).learner
    layers = kernels((learner.policy.params, learner.critic))
    same_shape = [(x, y) for x, y in itertools.combinations(layers, 2) if x.shape == y.shape]
    assert same_shape
    for x, y in same_shape:
        assert not np.array_equal(x, y)


def test_members_draw_their_own_data(case):
    """Three copies of one state part ways at the first iteration: actions, rows and orders come from their own keys."""
    alike = jax.tree.map(lambda x: jnp.stack([x[0]] * NUM_SEEDS), case.later)
    after = case.advance(alike, 20, 21)
    for i, j in itertools.combinations(range(NUM_SEEDS), 2):
        if alike.lanes != ():
            seen = after.lanes.timestep.next_obs
            assert not np.array_equal(seen[i], seen[j])
        assert not trees.is_same(trees.row(after.learner.critic, i), trees.row(after.learner.critic, j))


def test_members_draw_their_own_rows():
    log = replay.make_replay(Spaces(Box((1,)), Box((1,), -1.0, 1.0)), 1000)
    log = replay.Replay(log.data._replace(reward=jnp.arange(1000.0)), jnp.uint32(700))
    rows = np.asarray(jax.vmap(lambda key: replay.sample(key, log, 50).reward)(training.member_keys(0, 3).train))
    assert len({tuple(x) for x in rows}) == 3
    assert rows.min() >= 0 and rows.max() < 700 and rows.max() > 600


# --- seeds side by side


def test_seeds_side_by_side_match_seeds_in_a_loop(case):
    """The compiled loop over all members against `warm_up` and `train_step` called one by one: to rounding."""
    stop = WARM_UP + 5
    together = case.advance(case.first, 0, stop)
    warm_up, train_step = jax.jit(case.algorithm.warm_up), jax.jit(case.algorithm.train_step, static_argnums=2)
    for seed in range(NUM_SEEDS):
        state = trees.row(case.first, seed)
        for i in range(stop):
            key = jax.random.fold_in(case.keys.train[seed], np.uint32(i))
            if i < case.algorithm.warm_up_steps:
                state = warm_up(key, state)
            else:
                phase = (i - case.algorithm.warm_up_steps) % case.algorithm.period
                state, _ = train_step(key, state, phase)
        trees.assert_close(trees.row(together, seed), state, rtol=1e-3, atol=1e-4)


# --- chunks and files


def test_where_one_stops_to_look_changes_nothing(case):
    whole = case.advance(case.first, 0, 30)
    for stops in [(0, 7, 30), (0, 3, 4, 5, 6, 30), (0, 0, 29, 30)]:
        state = case.first
        for start, stop in itertools.pairwise(stops):
            state = case.advance(state, start, stop)
        trees.assert_same(state, whole)


def test_a_stored_state_continues_bit_for_bit(case, tmp_path):
    run = storage.create_run(tmp_path, "one", {"num_seeds": NUM_SEEDS, "config": {}}, overwrite=False)
    state, written = case.first, 0
    for step in (10, 20):
        state = case.advance(state, step - 10, step)
        for seed in range(NUM_SEEDS):
            member = trees.row(state, seed)
            if member.log != ():
                storage.append_segment(run, seed, written, replay.rows(member.log, written, step))
            storage.save_checkpoint(run, seed, step, member, {})
        written = step

    def restored(seed: int, step: int) -> TrainState:
        template = jax.eval_shape(case.algorithm.init, jax.random.key(0))
        member = storage.load_checkpoint(run, seed, step, template)
        if template.log != ():
            rows = storage.checkpoint_attributes(run, seed, step)["log_rows"]
            assert rows == step
            log = storage.load_log(run, seed, rows, CAPACITY, template=template.log)
            member = member._replace(log=log)
        return member

    for step in (10, 20):
        members = [restored(seed, step) for seed in range(NUM_SEEDS)]
        state = jax.tree.map(lambda *x: jnp.stack(x), *members)
        if step == 20:
            trees.assert_same(state, case.later)
        trees.assert_same(case.advance(state, step, 30), case.advance(case.later, 20, 30))


# --- compilation


def test_nothing_is_compiled_twice(case):
    case.calls.update(reset=0, step=0)
    state = case.advance(case.first, 0, 1)
    state = case.advance(state, 1, 9)
    case.advance(state, 100_000, 100_001)
    case.trainer.init(training.member_keys(5, NUM_SEEDS).init)
    assert case.calls == {"reset": 0, "step": 0}

    env, calls = probes.counted(case.env)
    evaluate = training.make_evaluator(env, case.algorithm, NUM_SEEDS, 2).evaluate
    evaluate(case.keys.evaluate, case.first.learner.policy, 0)
    traced = dict(calls)
    assert traced["step"] > 0
    evaluate(training.member_keys(1, NUM_SEEDS).evaluate, case.later.learner.policy, 50_000)
    assert calls == traced


# --- one update


def test_one_policy_update_is_one_optimizer_step_on_the_policy(case):
    learner = case.member.learner
    new, metrics = case.policy_update(jax.random.key(1), learner, sampled(case))
    moved = {name for name in learner._fields if not trees.is_same(getattr(new, name), getattr(learner, name))}
    assert moved == MOVED_BY_POLICY_UPDATE[case.row]
    trees.assert_same(new.policy.constants, learner.policy.constants)
    counts = [
        (int(after), int(before))
        for (path, after), before in zip(
            jax.tree_util.tree_flatten_with_path(new)[0], jax.tree.leaves(learner), strict=True
        )
        if jax.tree_util.keystr(path).endswith("opt_state.count")
        or jax.tree_util.keystr(path).endswith("opt_state[1].count")
    ]
    assert sorted(after - before for after, before in counts) == [0] * (len(counts) - 1) + [1]
    assert all(np.shape(value) == () for value in metrics.values())


def test_the_learning_rate_is_an_argument(case):
    key, learner, batch = jax.random.key(1), case.member.learner, sampled(case)
    config = float(learner.learning_rate) if case.row == "ppo, switched" else RATES[case.name]
    own, _ = case.policy_update(key, learner, batch)

    def after(rate: float) -> Any:
        return case.policy_update(key, learner, batch, jnp.float32(rate))[0]

    trees.assert_close(after(config).policy, own.policy, rtol=1e-6, atol=1e-8)
    still = after(0.0)
    trees.assert_same(still.policy, learner.policy)
    assert not trees.is_same(still, learner)  # the moments have moved
    way = jax.tree.map(jnp.subtract, after(1.0).policy.params, learner.policy.params)
    expected = jax.tree.map(lambda p, d: p + 2.0 * d, learner.policy.params, way)
    trees.assert_close(after(2.0).policy.params, expected, rtol=1e-5, atol=1e-5)


def test_sample_batch_differs_by_key_and_reads_what_is_there(case):
    one, again, other = sampled(case), sampled(case), sampled(case, seed=1)
    trees.assert_same(one, again)
    assert not trees.is_same(one, other)
    assert one.obs.shape == BATCHES[case.name]
    if case.algorithm.algorithm.learns_from_log:
        stored = {tuple(row) for row in np.asarray(case.member.log.data.obs)}
        assert all(tuple(row) in stored for row in np.asarray(one.obs))


@with_a_log
def test_rows_not_yet_written_are_never_sampled(case):
    log = case.member.log._replace(count=jnp.uint32(3))
    log = log._replace(data=log.data._replace(reward=jnp.arange(float(CAPACITY))))
    state = case.member._replace(log=log)
    batches = jax.jit(jax.vmap(lambda key: case.algorithm.sample_batch(key, state)))(
        jax.random.split(jax.random.key(0), 50)
    )
    assert set(np.ravel(batches.reward)) == {0.0, 1.0, 2.0}


# --- warm-up


@pytest.mark.parametrize("case", ["ppo", "vpg"], indirect=True)
def test_who_learns_from_unrolls_does_not_warm_up_and_keeps_no_log(case):
    assert case.algorithm.warm_up_steps == 0 and case.first.log == ()


@with_a_log
def test_warm_up_changes_no_weights(case):
    assert case.algorithm.warm_up_steps == WARM_UP
    after = case.advance(case.first, 0, WARM_UP)
    trees.assert_same(after.learner, case.first.learner)
    assert after.log.count.tolist() == [WARM_UP] * NUM_SEEDS
    assert not trees.is_same(case.advance(after, WARM_UP, WARM_UP + 1).learner, case.first.learner)


@with_a_log
def test_warm_up_acts_uniformly(case):
    collect = jax.jit(jax.vmap(case.algorithm.collect, in_axes=(0, None, None)))
    keys = jax.random.split(jax.random.key(3), 500)

    def actions(uniform: bool) -> np.ndarray:
        state = trees.row(case.first, 0)
        return np.asarray(collect(keys, state, jnp.array(uniform))[0].log.data.action[:, 0])

    for axis in range(2):  # with fixed keys; for uniform actions a p-value below 0.001 has a chance of 0.001
        assert scipy.stats.kstest(actions(True)[:, axis], "uniform", args=(-1.0, 2.0)).pvalue > 0.001
        assert scipy.stats.kstest(actions(False)[:, axis], "uniform", args=(-1.0, 2.0)).pvalue < 1e-10
    assert abs(np.corrcoef(actions(True).T)[0, 1]) < 0.15


# --- acting


def test_act_is_the_mode_and_explore_is_not(case):
    policy = case.member.learner.policy
    timestep = TimeStep(jnp.array([0.3, -0.2, 1.0]), jnp.zeros(3), jnp.float32(0), jnp.array(False), jnp.array(False))
    keys = jax.random.split(jax.random.key(0), 400)
    modes = np.asarray(jax.vmap(lambda key: case.algorithm.act(key, policy, timestep, ())[0])(keys))
    explored, _, extras = jax.vmap(lambda key: case.algorithm.explore(key, policy, timestep, ()))(keys)
    explored = np.asarray(explored)
    assert np.all(modes == modes[0]) and np.abs(modes).max() <= 1.0
    assert explored.std(axis=0).min() > 0.0
    if case.row not in ("sac", "ppo, switched"):  # after a tanh the mode of the Gaussian is not the mean
        standard_error = explored.std(axis=0) / np.sqrt(400)
        assert np.all(np.abs(explored.mean(axis=0) - modes[0]) < 5.0 * standard_error)
    assert ("log_prob" in extras) == (case.name != "td3")
    sample = case.algorithm.sample
    assert (sample is None) == (case.name == "td3")
    if sample is not None:
        drawn = jax.vmap(lambda key: sample(key, policy, timestep, ())[0])(keys)
        np.testing.assert_array_equal(drawn, explored)


# --- metrics


def test_every_loss_term_is_reported(case):
    assert set(case.metrics) == METRICS[case.row]
    for name, values in case.metrics.items():
        assert values.shape == (NUM_SEEDS,) and np.isfinite(values).all(), name


@with_a_log
def test_metrics_are_means_over_the_iterations_that_report_them(case):
    _, none = advanced(case.trainer, case.keys.train, placed(case.trainer, case.first), 0, WARM_UP)
    assert all(np.isnan(values).all() for values in none.values())
    members = placed(case.trainer, case.advance(case.first, 0, WARM_UP))
    losses = []
    for i in range(WARM_UP, WARM_UP + 4):
        members, metrics = advanced(case.trainer, case.keys.train, members, i, i + 1)
        losses.append(metrics)
    _, whole = advanced(case.trainer, case.keys.train, placed(case.trainer, case.first), 0, WARM_UP + 4)
    for name, mean in whole.items():
        np.testing.assert_allclose(mean, np.nanmean([x[name] for x in losses], axis=0), rtol=1e-5)
    reported = [not np.isnan(x["actor_loss"]).any() for x in losses]
    assert reported == ([False, True, False, True] if case.name == "td3" else [True] * 4)


# --- published switches


@only_td3
def test_td3_delays_actor_and_targets(case):
    state, delayed = case.advance(case.first, 0, WARM_UP), ("policy", "target_policy", "target_critic")
    for i in range(WARM_UP, WARM_UP + 4):
        before = trees.copied(state.learner)
        state = case.advance(state, i, i + 1)
        moved = {name for name in delayed if not trees.is_same(getattr(before, name), getattr(state.learner, name))}
        assert moved == (set(delayed) if (i - WARM_UP) % 2 == 1 else set())
        assert not trees.is_same(before.critic, state.learner.critic)


def test_td3_with_several_updates_per_step_and_unequal_batches(monkeypatch):
    """Delay 3 and two updates a step: the actor moves at updates 3 and 6; phases repeat after 3 iterations."""
    settings = OFF_POLICY | {"policy_delay": 3, "updates_per_step": 2, "actor_batch_size": 3, "critic_batch_size": 5}
    algorithm = make_agent("td3", settings, probes.line())
    state = jax.eval_shape(algorithm.init, jax.random.key(0))
    steps = []

    def counting(optimizer: Any, params: Any, *rest: Any) -> Any:
        steps.append("actor" if "MLP_0" in params["params"] else "critic")
        return optimizers.descend(optimizer, params, *rest)

    monkeypatch.setattr(td3, "descend", counting)
    assert algorithm.period == 3
    for phase, expected in enumerate(["critic critic", "critic actor critic", "critic critic actor"]):
        steps.clear()
        jax.eval_shape(
            lambda key, state, i=phase: algorithm.update(key, state.learner, state.log, (), i), jax.random.key(0), state
        )
        assert steps == expected.split()
    assert jax.eval_shape(algorithm.sample_batch, jax.random.key(0), state).reward.shape == (3,)


@pytest.mark.parametrize("delay, updates_per_step, period", [(2, 1, 2), (2, 2, 1), (2, 3, 2), (4, 2, 2), (1, 5, 1)])
def test_phases_of_td3_repeat_as_soon_as_they_can(delay, updates_per_step, period):
    settings = OFF_POLICY | {"policy_delay": delay, "updates_per_step": updates_per_step}
    assert make_agent("td3", settings, probes.line()).period == period


# norm_adv, clip_vloss, the coefficients and the clip of the gradient: test_updates.py.
PPO = SETTINGS["ppo"] | {"num_epochs": 4}


@pytest.fixture(scope="module")
def ppo_unroll() -> tuple[TrainState, Any]:
    algorithm = make_agent("ppo", PPO, probes.line())
    state = jax.jit(algorithm.init)(jax.random.key(0))
    state, data, _ = jax.jit(algorithm.collect)(jax.random.key(1), state)
    return state, data


def updated(ppo_unroll: tuple[TrainState, Any], num_iterations: int = 0, **changes: object) -> tuple[Any, Any]:
    state, data = ppo_unroll
    learner = state.learner._replace(num_iterations=jnp.uint32(num_iterations))
    algorithm = make_agent("ppo", PPO | changes, probes.line())
    return jax.jit(algorithm.update, static_argnums=4)(jax.random.key(2), learner, state.log, data, 0)


def test_ppo_anneals_its_learning_rate(ppo_unroll):
    for num_iterations, left in [(0, 1.0), (25, 0.5), (49, 0.02), (79, 0.0)]:  # 400 steps in iterations of 8: 50
        learner, metrics = updated(ppo_unroll, num_iterations, anneal_lr=True)
        np.testing.assert_allclose(metrics["learning_rate"], 2.6e-3 * left, rtol=1e-5)
        np.testing.assert_allclose(learner.learning_rate, metrics["learning_rate"])
    trees.assert_same(learner.policy, ppo_unroll[0].learner.policy)  # nothing left: nothing moves
    assert int(learner.num_iterations) == 80
    _, metrics = updated(ppo_unroll, 25)
    np.testing.assert_allclose(metrics["learning_rate"], 2.6e-3, rtol=1e-6)


def test_ppo_stops_at_its_target_kl(ppo_unroll):
    free, metrics = updated(ppo_unroll)
    assert metrics["epochs"] == 4.0 and int(free.opt_state[1].count) == 8
    stopped, metrics = updated(ppo_unroll, target_kl=1e-12)
    assert metrics["epochs"] == 1.0 and int(stopped.opt_state[1].count) == 2


@pytest.mark.parametrize("bootstrap_truncated", [True, False])
def test_ppo_bootstraps_through_time_limits(bootstrap_truncated):
    """Reward 1, never terminated, cut off after 2 steps; one environment, λ = 0: δ = 1 + γ V(s') - V(s)."""
    settings = PPO | {"num_envs": 1, "gae_lambda": 0.0, "gamma": 0.9, "bootstrap_truncated": bootstrap_truncated}
    algorithm = make_agent("ppo", settings, probes.truncating(episode_length=2))
    state = jax.jit(algorithm.init)(jax.random.key(0))
    critic = jax.tree.map(jnp.zeros_like, state.learner.critic)
    critic["params"]["MLP_0"]["Dense_1"]["bias"] = jnp.array([5.0])  # V = 5 everywhere
    state = state._replace(learner=state.learner._replace(critic=critic))
    _, data, metrics = jax.jit(algorithm.collect)(jax.random.key(1), state)
    cut = 0.5 if bootstrap_truncated else -4.0
    np.testing.assert_allclose(data.batch.advantage, [0.5, cut, 0.5, cut], rtol=1e-6)
    np.testing.assert_allclose(data.batch.value_target, data.batch.advantage + 5.0, rtol=1e-6)
    assert metrics["reward"] == 1.0 and metrics["episodes_ended"] == 2.0


@with_a_log
def test_logged_transitions_follow_each_other(case):
    """The next row begins where the last one led, except after an end; then it begins afresh within the start noise."""
    log: Transition = trees.row(case.later, 0).log.data
    order = np.arange(20 - CAPACITY, 20) % CAPACITY
    obs, action, reward, next_obs, terminated, truncated = (np.asarray(x)[order] for x in log)
    assert truncated.any() and not (terminated & truncated).any()
    np.testing.assert_allclose(next_obs[:, :2], obs[:, :2] + np.clip(action, -1, 1), atol=1e-6)
    np.testing.assert_allclose(reward, next_obs[:, 0])
    for i, ended in enumerate((terminated | truncated)[:-1]):
        if ended:
            assert np.abs(obs[i + 1, :2]).max() <= 1.0 and not np.array_equal(obs[i + 1], next_obs[i])
        else:
            np.testing.assert_array_equal(obs[i + 1], next_obs[i])
