"""Each switch of PPO acts, where it is meant to and nowhere else. One update of each: test_updates.py."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import probes
import pytest
import trees

from landscapes.algorithms.ppo import Config
from landscapes.algorithms.registry import make_config
from landscapes.envs.classic import make as make_classic
from landscapes.errors import UserError
from landscapes.experience import minibatches
from landscapes.loading import make_agent
from landscapes.networks import losses
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import Agent, TrainState

SETTINGS = {"hidden_dims": [8], "num_envs": 2, "unroll_length": 4, "num_epochs": 2, "total_timesteps": 400}


def agent_with(**settings: Any) -> Agent:
    return make_agent("ppo", SETTINGS | settings, probes.line(episode_length=5))


def collected(agent: Agent, state: TrainState | None = None, seed: int = 1) -> tuple[TrainState, Any]:
    state = jax.jit(agent.init)(jax.random.key(0)) if state is None else state
    state, data, _ = jax.jit(agent.collect)(jax.random.key(seed), state)
    return state, data


def trained(agent: Agent, num_iterations: int = 3) -> list[TrainState]:
    step = jax.jit(agent.train_step, static_argnums=2)
    states = [jax.jit(agent.init)(jax.random.key(0))]
    for i in range(num_iterations):
        states.append(step(jax.random.key(i), states[-1], 0)[0])
    return states


def learned(agent: Agent, state: TrainState, data: Any, seed: int = 2) -> tuple[Any, Any]:
    return jax.jit(agent.update, static_argnums=4)(jax.random.key(seed), state.learner, (), data, 0)


# --- settings


def test_switches_are_off_or_published() -> None:
    config = Config()
    off = ("separate_optimizers", "squash", "squashed_entropy", "normalize_observations", "normalize_rewards")
    assert not any(getattr(config, name) for name in off)
    assert config.clip_observations is None and config.clip_rewards is None and config.log_std_max is None
    assert (config.advantage_normalization, config.lr_schedule) == ("minibatch", "constant")
    learner = agent_with().init(jax.random.key(0)).learner
    assert (learner.policy.constants, learner.critic_opt_state, learner.reward_scale) == ((), (), ())


def test_published_names_of_settings_still_go() -> None:
    for published, today in [
        ({"norm_adv": False}, {"advantage_normalization": "none"}),
        ({"norm_adv": True, "anneal_lr": True}, {"lr_schedule": "linear"}),
        ({"anneal_lr": False}, {}),
    ]:
        assert make_config(Config, published) == Config(**today)
    with pytest.raises(UserError, match="says the same as advantage_normalization; give one of them"):
        make_config(Config, {"norm_adv": True, "advantage_normalization": "batch"})
    with pytest.raises(UserError, match="is not a setting here"):
        make_config(Config, {"norm_advantages": True})


@pytest.mark.parametrize(
    "settings, key, allowed",
    [
        ({"advantage_normalization": "episode"}, "advantage_normalization", "must be one of none, minibatch, batch"),
        ({"lr_schedule": "cosine"}, "lr_schedule", "must be one of constant, linear, steps, kl"),
        ({"activation": "sine"}, "activation", "must be one of tanh, relu, elu, swish"),
        ({"initialization": "zeros"}, "initialization", "must be one of orthogonal, xavier, torch"),
        ({"squashed_entropy": True}, "squashed_entropy", "acts with squash=true only"),
        ({"critic_learning_rate": 1e-3}, "critic_learning_rate", "acts with separate_optimizers=true only"),
        ({"clip_rewards": 0.0}, "clip_rewards", "must be a number, above 0, or null"),
        ({"lr_steps": [0.5, 1.0]}, "lr_steps[1]", "must be a number, above 0, below 1"),
        ({"actor_final_scale": -1.0}, "actor_final_scale", "must be a number, at least 0"),
    ],
)
def test_switches_out_of_range_are_one_line(settings: dict[str, Any], key: str, allowed: str) -> None:
    with pytest.raises(UserError, match=allowed) as error:
        Config(**settings)
    assert error.value.key == key


def test_switches_that_do_not_fit_the_spaces_are_one_line() -> None:
    from landscapes.algorithms import ppo

    with pytest.raises(UserError, match="squash=true: needs actions that are numbers, not one of 3 choices"):
        ppo.make(Config(squash=True), Spaces(Box((2,)), Discrete(3)))
    pictures = Spaces(Box((10, 10, 4), 0.0, 1.0, "uint8"), Discrete(3))
    screens = Spaces(Box((84, 84, 4), 0.0, 255.0, "uint8"), Discrete(3))
    for seen in (pictures, screens):
        with pytest.raises(UserError, match="normalize_observations=true: needs observations that are vectors"):
            ppo.make(Config(normalize_observations=True), seen)
        with pytest.raises(UserError, match=r"clip_observations=5\.0: needs observations that are vectors"):
            ppo.make(Config(clip_observations=5.0), seen)
    shared = "separate_optimizers=true: actor and critic share layers in network=nature; needs network=mlp"
    with pytest.raises(UserError, match=shared):
        ppo.make(Config(separate_optimizers=True), screens)
    ppo.make(Config(separate_optimizers=True, network="mlp"), screens)


def test_optimizers_apart_learn_from_pictures() -> None:
    """Behind convolutions of their own: a step of the policy leaves the critic, an update moves both."""
    settings = SETTINGS | {"separate_optimizers": True, "num_minibatches": 2, "normalize_rewards": True}
    agent = make_agent("ppo", settings, make_classic("Breakout-MinAtar", 10, "env"))
    state, data = collected(agent)
    batch = jax.tree.map(lambda x: x[:4], data.batch)
    stepped, _ = jax.jit(agent.policy_update)(jax.random.key(0), state.learner, batch)
    trees.assert_same(stepped.critic, state.learner.critic)
    after, metrics = learned(agent, state, data)
    for moved, before in ((stepped.policy, state.learner.policy), (after.critic, state.learner.critic)):
        assert not trees.is_same(moved, before)
    assert all(np.isfinite(x).all() for x in jax.tree.leaves((after.policy, after.critic, metrics)))


# --- advantages


@pytest.mark.parametrize("where", ["none", "minibatch", "batch"])
def test_where_advantages_are_normalised(where: str) -> None:
    _, plain = collected(agent_with(advantage_normalization="none"))
    agent = agent_with(advantage_normalization=where)
    state, data = collected(agent)
    advantage = np.asarray(plain.batch.advantage, np.float64)
    if where == "batch":  # once, over all steps; the targets are those of the advantages before
        advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
    np.testing.assert_allclose(data.batch.advantage, advantage, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(data.batch.value_target, plain.batch.value_target, rtol=1e-6)
    # Ten times the advantages of a minibatch are the same to the loss where it normalises them, and nowhere else.
    batch = jax.tree.map(lambda x: x[:4], data.batch)
    update = jax.jit(agent.policy_update)
    one, ten = (
        update(jax.random.key(0), state.learner, batch._replace(advantage=factor * batch.advantage))[1]
        for factor in (1.0, 10.0)
    )
    same = np.isclose(one["actor_grad_norm"], ten["actor_grad_norm"], rtol=1e-4)
    assert same == (where == "minibatch")


def test_normalised_advantages_leave_a_gradient() -> None:
    """With ratios of 1 a loss that multiplied every ratio by every advantage would have none at all."""
    agent = agent_with(advantage_normalization="minibatch", ent_coef=0.0)
    state, data = collected(agent)
    _, metrics = jax.jit(agent.policy_update)(jax.random.key(0), state.learner, data.batch)
    assert metrics["actor_grad_norm"] > 0.01
    assert abs(float(metrics["policy_loss"])) < 1e-5  # minus the mean of the normalised advantages


# --- observations


def test_moments_of_observations_move_after_the_updates_of_an_iteration() -> None:
    agent = agent_with(normalize_observations=True)
    state, data = collected(agent)
    trees.assert_same(state.learner.policy.constants, agent.init(jax.random.key(0)).learner.policy.constants)
    learner, _ = learned(agent, state, data)
    obs = np.asarray(data.batch.obs)
    np.testing.assert_allclose(learner.policy.constants.mean, obs.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(learner.policy.constants.variance, obs.var(axis=0), rtol=1e-4, atol=1e-6)
    later, _ = learned(agent, *collected(agent, state._replace(learner=learner), seed=3))
    assert later.policy.constants.num == 16.0


def test_moments_are_frozen_in_studies_and_seen_by_all_that_act() -> None:
    agent = agent_with(normalize_observations=True)
    state = trained(agent)[-1]
    batch = jax.jit(agent.sample_batch)(jax.random.key(5), state)
    after, metrics = jax.jit(agent.policy_update)(jax.random.key(6), state.learner, batch)
    trees.assert_same(after.policy.constants, state.learner.policy.constants)
    assert abs(float(metrics["approx_kl"])) < 1e-6  # what acted is what the loss sees: ratios of 1
    timestep = jax.tree.map(lambda x: x[0], state.lanes.timestep)
    constants = state.learner.policy.constants
    other = state.learner.policy._replace(constants=constants._replace(mean=constants.mean + 3.0))
    modes = [agent.act(jax.random.key(0), policy, timestep, ())[0] for policy in (state.learner.policy, other)]
    assert not np.array_equal(*modes)


def test_observations_are_clipped_after_they_are_normalised() -> None:
    agent = agent_with(clip_observations=0.5)
    state = agent.init(jax.random.key(0))
    near, far = (jnp.array([x, -x, 0.1]) for x in (0.5, 70.0))

    def mode(obs: jax.Array) -> Any:
        timestep = jax.tree.map(lambda x: x[0], state.lanes.timestep)._replace(obs=obs)
        return agent.act(jax.random.key(0), state.learner.policy, timestep, ())[0]

    np.testing.assert_array_equal(mode(near), mode(far))


# --- rewards


def test_rewards_are_normalised_and_clipped_for_learning_alone() -> None:
    plain, switched = agent_with(), agent_with(normalize_rewards=True, clip_rewards=0.5)
    state, data = collected(switched)
    _, unscaled = collected(plain)
    assert state.learner.reward_scale.moments.num == 0.0  # as long as nothing was learned
    learner, _ = learned(switched, state, data)
    trees.assert_same(learner.reward_scale, data.reward_scale)
    assert learner.reward_scale.moments.num == 8.0
    # The targets are those of the scaled rewards: from the advantages of the plain ones, by hand.
    scale = float(np.sqrt(data.reward_scale.moments.variance + 1e-8))
    found = data.batch.value_target.reshape(2, 4)
    obs, values = (unscaled.batch.obs.reshape(2, 4, 3), unscaled.batch.value.reshape(2, 4))
    assert scale > 0.0 and np.abs(found - unscaled.batch.value_target.reshape(2, 4)).max() > 0.01
    # Reward t is the next position on the first line: row t + 1 of obs, where the episode went on.
    lane, t = 0, 0
    for t in range(3):
        reward = np.clip(float(obs[lane, t + 1, 0]) / scale, -0.5, 0.5)
        delta = reward + 0.99 * values[lane, t + 1] - values[lane, t]
        advantage = found[lane] - values[lane]
        np.testing.assert_allclose(advantage[t], delta + 0.99 * 0.95 * advantage[t + 1], rtol=1e-3, atol=1e-4)


def test_the_reward_that_is_told_is_the_environments() -> None:
    told = []
    for agent in (agent_with(), agent_with(normalize_rewards=True, clip_rewards=0.01)):
        _, _, metrics = jax.jit(agent.collect)(jax.random.key(1), jax.jit(agent.init)(jax.random.key(0)))
        told.append(float(metrics["reward"]))
    assert told[0] == told[1]


# --- actions


def test_squashed_actions_lie_within_and_keep_what_they_came_of() -> None:
    agent = agent_with(squash=True, log_std_init=1.0)
    state, data = collected(agent)
    raw = np.asarray(data.batch.action)
    assert np.abs(raw).max() > 1.0
    timestep = jax.tree.map(lambda x: x[0], state.lanes.timestep)
    keys = jax.random.split(jax.random.key(3), 200)
    actions, _, extras = jax.vmap(lambda key: agent.explore(key, state.learner.policy, timestep, ()))(keys)
    np.testing.assert_allclose(actions, np.tanh(extras["raw_action"]), rtol=1e-6)
    assert np.abs(actions).max() <= 1.0
    told = jax.vmap(lambda a: agent.algorithm.log_prob(keys[0], state.learner.policy, timestep, (), a)[0])(actions)
    inside = np.abs(actions).max(axis=1) < 0.999
    np.testing.assert_allclose(np.asarray(told)[inside], np.asarray(extras["log_prob"])[inside], rtol=1e-2, atol=1e-2)
    assert "raw_action" not in agent_with().explore(keys[0], agent_with().init(keys[0]).learner.policy, timestep, ())[2]


# --- learning rates


def updated_at(agent: Agent, num_iterations: int) -> tuple[Any, Any]:
    state, data = collected(agent)
    learner = state.learner._replace(num_iterations=jnp.uint32(num_iterations))
    return learned(agent, state._replace(learner=learner), data)


def test_the_rate_falls_in_steps() -> None:
    agent = agent_with(lr_schedule="steps", lr_steps=[0.5, 0.8], lr_factor=0.5)  # of 400 / 8 = 50 iterations
    for done, left in [(0, 1.0), (24, 1.0), (25, 0.5), (40, 0.25), (49, 0.25)]:
        learner, metrics = updated_at(agent, done)
        np.testing.assert_allclose(metrics["learning_rate"], 2.6e-3 * left, rtol=1e-5)
        np.testing.assert_allclose(learner.learning_rate, metrics["learning_rate"])


def test_the_rate_follows_the_kl_divergence() -> None:
    for wanted, way in [(1e-9, 1 / 1.5), (1e9, 1.5)]:
        agent = agent_with(lr_schedule="kl", lr_kl=wanted, num_epochs=1)
        _, metrics = updated_at(agent, 0)  # two minibatches; at the first ratios are 1 and the rate stays
        np.testing.assert_allclose(metrics["learning_rate"], 2.6e-3 * way, rtol=1e-4)


def test_the_critics_rate_keeps_its_proportion() -> None:
    """With no rate left nothing moves, the critic with an optimizer of its own neither."""
    agent = agent_with(lr_schedule="linear", separate_optimizers=True, critic_learning_rate=1e-2)
    state, _ = collected(agent)
    learner, metrics = updated_at(agent, 50)
    assert metrics["learning_rate"] == 0.0
    trees.assert_same((learner.policy, learner.critic), (state.learner.policy, state.learner.critic))


# --- gradient norms


def test_norms_are_those_of_every_minibatch() -> None:
    """Mean, variance and coefficient of variation over all minibatches of all epochs, one after the other by hand."""
    agent = agent_with()
    state, data = collected(agent)
    _, metrics = learned(agent, state, data)
    learner, norms = state.learner, []
    step = jax.jit(agent.policy_update)
    for key in jax.random.split(jax.random.key(2), 2):
        key_order, key_steps = jax.random.split(key)
        parts = minibatches.partition(key_order, data.batch, 2)
        for i, key_step in enumerate(jax.random.split(key_steps, 2)):
            learner, one = step(key_step, learner, trees.row(parts, i))
            norms.append([float(one["actor_grad_norm"]), float(one["critic_grad_norm"])])
    for name, values in zip(("actor_grad_norm", "critic_grad_norm"), np.transpose(norms), strict=True):
        np.testing.assert_allclose(metrics[name], values.mean(), rtol=1e-4)
        np.testing.assert_allclose(metrics[f"{name}_var"], values.var(), rtol=1e-2)
        np.testing.assert_allclose(metrics[f"{name}_cv"], values.std() / values.mean(), rtol=1e-2)


def test_norms_of_epochs_that_do_not_count_are_left_out() -> None:
    """The first of three epochs is the last that counts: its norms are those of a run of minibatches on its own."""
    agent = agent_with(num_epochs=3, target_kl=1e-12)
    state, data = collected(agent)

    def passes(learner: Any, data: Any) -> minibatches.Passes:
        first_only = lambda metrics: metrics["approx_kl"] < 0.0  # noqa: E731
        return minibatches.epochs(jax.random.key(2), learner, data.batch, agent.policy_update, 3, 2, first_only)

    found = jax.jit(passes)(state.learner, data)
    np.testing.assert_array_equal(found.weights, [1.0, 0.0, 0.0])
    norms = found.metrics["actor_grad_norm"][0]
    learner, metrics = learned(agent, state, data)
    assert metrics["epochs"] == 1.0
    np.testing.assert_allclose(metrics["actor_grad_norm"], norms.mean(), rtol=1e-5)
    np.testing.assert_allclose(metrics["actor_grad_norm_var"], norms.var(), rtol=1e-3)
    trees.assert_close(learner.policy, found.learner.policy)


# --- shapes


@pytest.mark.parametrize("discrete", [False, True])
def test_losses_meet_rows_and_no_columns(discrete: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever reaches the losses is one number for each row of a minibatch."""
    seen = []
    for name in ("clipped_surrogate_loss", "value_loss"):
        real = getattr(losses, name)

        def noting(*args: Any, real: Any = real) -> Any:
            seen.extend(np.shape(x) for x in args if np.ndim(x) > 0)
            return real(*args)

        monkeypatch.setattr(losses, name, noting)
    env = make_classic("CartPole-v1", 20) if discrete else probes.line()
    for settings in ({}, {} if discrete else {"squash": True}):
        agent = make_agent("ppo", SETTINGS | settings, env)
        state = jax.eval_shape(agent.init, jax.random.key(0))
        jax.eval_shape(lambda key, state, agent=agent: agent.train_step(key, state, 0), jax.random.key(0), state)
    assert seen and set(seen) == {(4,)}
