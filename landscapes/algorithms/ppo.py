"""PPO with a clipped surrogate (Schulman et al., 2017), with the settings of Rahn, D'Oro et al. (2023).

Knows its own config, state, losses and updates; knows nothing of seeds, files or command lines.
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.algorithms.checks import check_common, require
from landscapes.errors import UserError
from landscapes.networks import losses
from landscapes.networks.actor_critic import NETWORKS, make_actor_critic, network_for
from landscapes.networks.optimizers import adam, descend
from landscapes.spaces import Box, Discrete, Spaces
from landscapes.types import (
    Algorithm,
    Collecting,
    Key,
    Metrics,
    Policy,
    PyTree,
    TimeStep,
    Unrolled,
    UpdateKind,
)

NAME = "ppo"
ACTIONS = (Box, Discrete)
"""The spaces that actions may be of."""


@dataclass
class Config:
    """Settings of PPO; the defaults are the published ones."""

    total_timesteps: int = 60_000_000  # environment steps; sets the end of `anneal_lr`
    learning_rate: float = 2.6e-3  # Adam, eps 1e-5
    num_envs: int = 2048
    unroll_length: int = 16  # steps per environment and iteration
    anneal_lr: bool = False  # learning rate falls linearly to 0 over the iterations
    gamma: float = 0.99  # discount per environment step
    gae_lambda: float = 0.95
    num_minibatches: int = 2
    num_epochs: int = 4
    norm_adv: bool = True  # advantages normalised within each minibatch
    clip_eps: float = 0.2
    clip_vloss: bool = False  # value loss clipped as in the reference implementation
    ent_coef: float = 0.0
    vf_coef: float = 2.0  # times ½ MSE
    max_grad_norm: float = 1.0  # global norm
    target_kl: float | None = None  # no more epochs once the approximate KL divergence passes it
    hidden_dims: list[int] = field(default_factory=lambda: [64, 64])  # of the network mlp
    network: str | None = None  # mlp | nature, for screens; null: as suits the observations
    bootstrap_truncated: bool = True  # a time limit is no termination (the published code treats it as one)

    def __post_init__(self) -> None:
        check_common(self)
        for name in ("total_timesteps", "num_envs", "unroll_length", "num_minibatches", "num_epochs"):
            require(name, getattr(self, name), getattr(self, name) >= 1, "must be at least 1")
        for name in ("learning_rate", "ent_coef", "vf_coef", "clip_eps"):
            require(name, getattr(self, name), getattr(self, name) >= 0, "must be at least 0")
        require("gae_lambda", self.gae_lambda, 0.0 <= self.gae_lambda <= 1.0, "must lie in [0, 1]")
        require("max_grad_norm", self.max_grad_norm, self.max_grad_norm > 0, "must be above 0")
        require("target_kl", self.target_kl, self.target_kl is None or self.target_kl > 0, "must be above 0 or null")
        allowed = f"must be one of {', '.join(NETWORKS)}, or null"
        require("network", self.network, self.network is None or self.network in NETWORKS, allowed)
        divides = self.batch_size % self.num_minibatches == 0
        require("num_minibatches", self.num_minibatches, divides, f"must divide the batch of {self.batch_size} steps")
        enough = self.total_timesteps >= self.batch_size
        require(
            "total_timesteps", self.total_timesteps, enough, f"must be at least one batch of {self.batch_size} steps"
        )

    @property
    def batch_size(self) -> int:
        """Environment steps per iteration."""
        return self.num_envs * self.unroll_length

    @property
    def num_iterations(self) -> int:
        """Iterations of a whole training."""
        return self.total_timesteps // self.batch_size


class Learner(NamedTuple):
    """What updates change. Policy and critic share one optimizer, as their gradients are clipped together.

    `learning_rate` [] is that of the current iteration (it moves under `anneal_lr`), `num_iterations` [] uint32 counts
    those that are done.
    """

    policy: Policy
    critic: PyTree
    opt_state: PyTree
    learning_rate: jax.Array
    num_iterations: jax.Array


class Batch(NamedTuple):
    """Data of an update, `[B, ...]`; `action` is the unclipped one that `log_prob` belongs to."""

    obs: jax.Array
    action: jax.Array
    log_prob: jax.Array
    advantage: jax.Array
    value: jax.Array
    value_target: jax.Array


def make(config: Config, spaces: Spaces) -> Algorithm:
    """PPO in these spaces as pure functions."""
    network = config.network or network_for(spaces.observation)
    try:
        networks = make_actor_critic(network, config.hidden_dims, spaces)
    except ValueError as error:
        raise UserError("network", network, str(error)) from error
    optimizer = adam(eps=1e-5, max_grad_norm=config.max_grad_norm)

    def distribution_at(policy: Policy, obs: jax.Array) -> Any:
        return networks.decide(policy.params, networks.see(policy.params, obs))

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        """The action is not clipped here: the environment clips what it executes, the log-probability does not."""
        distribution = distribution_at(policy, timestep.obs)
        action = distribution.sample(key)
        return action, memory, {"log_prob": distribution.log_prob(action)}

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return spaces.action.clip(distribution_at(policy, timestep.obs).mode()), memory

    def log_prob(
        key: Key, policy: Policy, timestep: TimeStep, memory: PyTree, action: jax.Array
    ) -> tuple[jax.Array, PyTree]:
        return distribution_at(policy, timestep.obs).log_prob(action), memory

    def init(key: Key) -> tuple[Learner, PyTree]:
        params, critic_params = networks.init(key)
        policy, opt_state = Policy(params, ()), optimizer.init((params, critic_params))
        return Learner(policy, critic_params, opt_state, jnp.float32(config.learning_rate), jnp.uint32(0)), ()

    def digest(key: Key, learner: Learner, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, Batch, Metrics]:
        """Advantages of one unroll of every environment; `Batch` leaves are `[num_envs · T]`."""
        steps = unrolled.steps
        values, next_values = (
            networks.value(learner.critic, networks.see(learner.policy.params, obs))
            for obs in (steps.obs, steps.next_obs)
        )
        terminated = steps.terminated if config.bootstrap_truncated else steps.terminated | steps.truncated
        advantages = jax.vmap(losses.generalized_advantages, in_axes=(0, 0, 0, 0, 0, None, None))(
            steps.reward, values, next_values, terminated, steps.truncated, config.gamma, config.gae_lambda
        )
        log_probs = unrolled.extras["log_prob"]
        batch = Batch(steps.obs, steps.action, log_probs, advantages, values, advantages + values)
        num_ended = jnp.sum(steps.terminated | steps.truncated)
        metrics = {"reward": steps.reward.mean(), "episodes_ended": num_ended.astype(jnp.float32)}
        return log, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), batch), metrics

    def minibatches(key: Key, batch: Batch) -> Batch:
        """A random partition of the batch, `[num_minibatches, B / num_minibatches, ...]`."""
        order = jax.random.permutation(key, config.batch_size).reshape(config.num_minibatches, -1)
        return jax.tree.map(lambda x: x[order], batch)

    def batch_of(key: Key, log: PyTree, data: Batch) -> Batch:
        """One random minibatch."""
        return jax.tree.map(lambda x: x[0], minibatches(key, data))

    def policy_update(
        key: Key, learner: Learner, batch: Batch, learning_rate: jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """One Adam step of policy and critic on one minibatch; the loss of Schulman et al. (2017), eq. 9."""

        def loss(params: tuple[PyTree, PyTree]) -> tuple[jax.Array, Metrics]:
            seen = networks.see(params[0], batch.obs)
            distribution, values = networks.decide(params[0], seen), networks.value(params[1], seen)
            log_ratio = distribution.log_prob(batch.action) - batch.log_prob
            ratio = jnp.exp(log_ratio)
            advantage = batch.advantage
            if config.norm_adv:
                advantage = (advantage - advantage.mean()) / (advantage.std() + 1e-8)
            policy_loss = losses.clipped_surrogate_loss(ratio, advantage, config.clip_eps)
            if config.clip_vloss:
                value_loss = losses.clipped_value_loss(values, batch.value, batch.value_target, config.clip_eps)
            else:
                value_loss = losses.value_loss(values, batch.value_target)
            entropy = distribution.entropy().mean()
            total = policy_loss - config.ent_coef * entropy + config.vf_coef * value_loss
            return total, {
                "loss": total,
                "policy_loss": policy_loss,
                "value_loss": value_loss,
                "entropy": entropy,
                "approx_kl": jnp.mean(ratio - 1.0 - log_ratio),
                "clip_fraction": jnp.mean(jnp.abs(ratio - 1.0) > config.clip_eps),
                "value": values.mean(),
            }

        params = (learner.policy.params, learner.critic)
        gradients, metrics = jax.grad(loss, has_aux=True)(params)
        rate = learner.learning_rate if learning_rate is None else learning_rate
        (policy_params, critic_params), opt_state, norm = descend(optimizer, params, gradients, learner.opt_state, rate)
        policy = learner.policy._replace(params=policy_params)
        learner = learner._replace(policy=policy, critic=critic_params, opt_state=opt_state)
        return learner, metrics | {"grad_norm": norm}

    def update(key: Key, learner: Learner, log: PyTree, data: Batch, phase: int) -> tuple[Learner, Metrics]:
        """`num_epochs` passes over the unroll in `num_minibatches` steps each."""
        if config.anneal_lr:
            done = learner.num_iterations.astype(jnp.float32)
            left = jnp.maximum(1.0 - done / config.num_iterations, 0.0)
            learner = learner._replace(learning_rate=config.learning_rate * left)

        def minibatch_step(learner: Learner, x: tuple[Key, Batch]) -> tuple[Learner, Metrics]:
            return policy_update(x[0], learner, x[1])

        def epoch(
            carry: tuple[Learner, jax.Array], key: Key
        ) -> tuple[tuple[Learner, jax.Array], tuple[Metrics, jax.Array]]:
            learner, going = carry
            key_order, key_updates = jax.random.split(key)
            keys = jax.random.split(key_updates, config.num_minibatches)
            new, metrics = jax.lax.scan(minibatch_step, learner, (keys, minibatches(key_order, data)))
            metrics = jax.tree.map(jnp.mean, metrics)
            if config.target_kl is None:
                return (new, going), (metrics, going)
            learner = jax.tree.map(lambda x, y: jnp.where(going, x, y), new, learner)
            return (learner, going & (metrics["approx_kl"] <= config.target_kl)), (metrics, going)

        keys = jax.random.split(key, config.num_epochs)
        (learner, _), (metrics, ran) = jax.lax.scan(epoch, (learner, jnp.array(True)), keys)
        weights = ran / ran.sum()
        metrics = {name: jnp.sum(weights * value) for name, value in metrics.items()}
        learner = learner._replace(num_iterations=learner.num_iterations + jnp.uint32(1))
        return learner, metrics | {"learning_rate": learner.learning_rate, "epochs": ran.sum().astype(jnp.float32)}

    return Algorithm(
        name=NAME,
        init=init,
        collecting=Collecting(config.num_envs, config.unroll_length),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        log_prob=log_prob,
        update_kinds={"ppo_optimization": UpdateKind("label")},
    )
