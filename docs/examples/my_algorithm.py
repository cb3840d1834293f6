"""An algorithm of your own: the one-step actor–critic (Sutton and Barto, 2018, section 13.5) with Adam steps.

Knows its own config, state and updates; training, measuring and rejection use it without knowing its name.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax

from landscapes.networks import losses
from landscapes.networks.modules import StateCritic, StochasticActor
from landscapes.networks.optimizers import adam, descend
from landscapes.settings.fields import Checked
from landscapes.settings.ranges import NonNegative, Share, Size
from landscapes.spaces import Spaces
from landscapes.types import (
    Algorithm,
    Collecting,
    Key,
    Metrics,
    Policy,
    PyTree,
    TimeStep,
    Transition,
    Unrolled,
    UpdateKind,
)


@dataclass
class Config(Checked):
    """What `+KEY=VALUE` may set beside `algorithm=docs.examples.my_algorithm.make`."""

    learning_rate: NonNegative = 1e-3  # Adam, of the policy
    critic_learning_rate: NonNegative = 1e-3  # Adam
    gamma: Share = 0.99  # discount per environment step
    hidden_width: Size = 32  # of the one hidden layer of actor and critic


class Learner(NamedTuple):
    """What updates change; every learner has a field `policy`."""

    policy: Policy
    critic: PyTree
    policy_opt_state: PyTree
    critic_opt_state: PyTree


def make(config: Config, spaces: Spaces) -> Algorithm:
    """The one-step actor–critic: each iteration is one environment step and one update from it."""
    actor = StochasticActor([config.hidden_width], spaces)
    critic = StateCritic([config.hidden_width], spaces.observation)
    optimizer = adam()

    def act(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        return spaces.action.clip(actor.apply(policy.params, timestep.obs).mode()), memory

    def explore(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree, PyTree]:
        # The environment clips what it executes; learning wants the action that was drawn.
        return actor.apply(policy.params, timestep.obs).sample(key), memory, ()

    def init(key: Key) -> tuple[Learner, PyTree]:
        key_actor, key_critic = jax.random.split(key)
        obs = spaces.observation.zero()
        policy, critic_params = Policy(actor.init(key_actor, obs), ()), critic.init(key_critic, obs)
        learner = Learner(policy, critic_params, optimizer.init(policy.params), optimizer.init(critic_params))
        return learner, ()  # no replay log

    def digest(key: Key, learner: Learner, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, Transition, Metrics]:
        """The one step that was lived through, `[1, 1, ...]`, is the data of the update."""
        transition = jax.tree.map(lambda x: x[0, 0], unrolled.steps)
        return log, transition, {"reward": transition.reward}

    def batch_of(key: Key, log: PyTree, data: Transition) -> Transition:
        return data

    def td_error(params: PyTree, batch: Transition) -> jax.Array:
        """δ = r + γ (1 − terminated) V(s') − V(s), `[]`; V(s') is a constant to the gradient."""
        next_value = jax.lax.stop_gradient(critic.apply(params, batch.next_obs))
        target = losses.td_target(batch.reward, batch.terminated, next_value, config.gamma)
        return target - critic.apply(params, batch.obs)

    def policy_update(
        key: Key, learner: Learner, batch: Transition, learning_rate: float | jax.Array | None = None
    ) -> tuple[Learner, Metrics]:
        """Exactly one Adam step on −δ log π(a|s), the critic frozen."""
        advantage = td_error(learner.critic, batch)

        def loss(params: PyTree) -> jax.Array:
            return -advantage * actor.apply(params, batch.obs).log_prob(batch.action)

        value, gradients = jax.value_and_grad(loss)(learner.policy.params)
        rate = config.learning_rate if learning_rate is None else learning_rate
        params, opt_state, _ = descend(optimizer, learner.policy.params, gradients, learner.policy_opt_state, rate)
        learner = learner._replace(policy=learner.policy._replace(params=params), policy_opt_state=opt_state)
        return learner, {"actor_loss": value}

    def critic_update(learner: Learner, batch: Transition) -> tuple[Learner, Metrics]:
        value, gradients = jax.value_and_grad(lambda params: 0.5 * td_error(params, batch) ** 2)(learner.critic)
        params, opt_state, _ = descend(
            optimizer, learner.critic, gradients, learner.critic_opt_state, config.critic_learning_rate
        )
        return learner._replace(critic=params, critic_opt_state=opt_state), {"critic_loss": value}

    def update(
        key: Key,
        learner: Learner,
        log: PyTree,
        data: Transition,
        phase: int,
        learning_rate: float | jax.Array | None = None,
    ) -> tuple[Learner, Metrics]:
        learner, actor_metrics = policy_update(key, learner, data, learning_rate)
        learner, critic_metrics = critic_update(learner, data)
        return learner, actor_metrics | critic_metrics

    return Algorithm(
        name="actor_critic",
        init=init,
        collecting=Collecting(lanes=1, steps=1),
        digest=digest,
        update=update,
        batch_of=batch_of,
        policy_update=policy_update,
        act=act,
        explore=explore,
        # What `experiment.noise_type` calls a neighbourhood of one update; its amount is the learning rate.
        update_kinds={"one_step_optimization": UpdateKind("learning_rate")},
    )
