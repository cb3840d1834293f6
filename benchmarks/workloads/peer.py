"""rejax, trained its own way: the loop over `train_iteration` that its `train` runs, mapped over seeds and jitted.

Knows rejax and imports nothing of the suite but the record of a workload.

Its steady state: no evaluations, the buffer full of random rows, the step counter behind the warm-up, and the state
given up to each call, so that no buffer is copied between calls. Widths that its settings do not reach (those of TD3)
are set on its networks, and a convolution, which it has none of, is put before them where observations are pictures.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import rejax
from flax import linen as nn
from rejax.evaluate import evaluate
from rejax.networks import MLP, DiscretePolicy, VNetwork

from benchmarks.workload import Case, Workload


class Asked(NamedTuple):
    """One of rejax's algorithms on a task; `hidden` are the widths of its networks."""

    algorithm: str
    config: Mapping[str, Any]
    environment: str
    backend: str
    hidden: list[int]


class _Pictures(nn.Module):
    """Dense layers behind the convolution that ours has for MinAtar: 16 filters of 3 x 3, as patches times a matrix."""

    hidden_layer_sizes: Sequence[int]
    activation: Callable[[jax.Array], jax.Array]

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        rows, columns = (n - 2 for n in x.shape[1:3])
        patches = [x[:, i : i + rows, j : j + columns] for i in range(3) for j in range(3)]
        x = nn.relu(nn.Dense(16)(jnp.concatenate(patches, axis=-1).astype(jnp.float32)))
        return MLP(self.hidden_layer_sizes, self.activation)(x)


class _PicturePolicy(DiscretePolicy):
    def setup(self) -> None:
        self.features = _Pictures(self.hidden_layer_sizes, self.activation)
        self.action_logits = nn.Dense(self.action_dim)


class _PictureValue(VNetwork):
    @nn.compact
    def __call__(self, obs: jax.Array) -> jax.Array:
        return nn.Dense(1)(_Pictures(self.hidden_layer_sizes, self.activation)(obs)).squeeze(1)


def _filled(states: Any) -> Any:
    """The states with every row of their buffers random, and the step counter behind the warm-up."""
    buffer = states.replay_buffer
    data = jax.tree.map(
        lambda x: jnp.zeros_like(x) if x.dtype == bool else jax.random.normal(jax.random.key(0), x.shape, x.dtype),
        buffer.data,
    )
    full = buffer.replace(data=data, full=jnp.ones_like(jnp.asarray(buffer.full), dtype=bool))
    return states.replace(replay_buffer=full, global_step=jnp.full_like(jnp.asarray(states.global_step), 1 << 20))


def _made(asked: Asked) -> Any:
    """rejax's algorithm with these sizes."""
    algorithm, _, environment, backend, hidden = asked
    config = dict(asked.config)
    if algorithm == "sac":
        config["hidden_layer_sizes"] = tuple(hidden)
    if algorithm == "ppo":
        config["agent_kwargs"] = {"hidden_layer_sizes": tuple(hidden), "activation": "tanh"}
    if algorithm == "td3":
        config |= {"actor_kwargs": {"activation": "relu"}, "critic_kwargs": {"activation": "relu"}}
        # TD3 names hidden_layer_sizes twice if it is given one.
    task: dict[str, Any] = {"env": environment}
    if backend != "gymnax":
        task = {"env": f"brax/{environment}", "env_params": {"backend": backend}}
    made = rejax.get_algo(algorithm).create(**task, **{"skip_initial_evaluation": True, **config})
    if algorithm == "td3":
        widths = tuple(hidden)
        made = made.replace(
            actor=made.actor.clone(hidden_layer_sizes=widths), critic=made.critic.clone(hidden_layer_sizes=widths)
        )
    if algorithm == "ppo" and len(made.env.observation_space(made.env_params).shape) == 3:
        given = {"hidden_layer_sizes": tuple(hidden), "activation": nn.tanh}
        made = made.replace(actor=_PicturePolicy(made.actor.action_dim, **given), critic=_PictureValue(**given))
    return made


def trainer(
    algorithm: str, config: Mapping[str, Any], environment: str, backend: str, seeds: int, hidden: list[int]
) -> Workload:
    """Environment steps with their updates, of all seeds together."""
    made = _made(Asked(algorithm, config, environment, backend, hidden))
    within = {"td3": "policy_delay", "ppo": "num_steps"}.get(algorithm)
    per_iteration = made.num_envs * (int(getattr(made, within)) if within else 1)
    states = jax.jit(jax.vmap(made.init_state))(jax.random.split(jax.random.PRNGKey(0), seeds))
    if algorithm != "ppo":
        states = jax.jit(_filled)(states)

    def loop(state: Any, amount: jax.Array) -> Any:
        return jax.lax.fori_loop(0, amount, lambda _, x: made.train_iteration(x), state)

    train = jax.jit(jax.vmap(loop, in_axes=(0, None)), donate_argnums=0)
    held = [states]
    del states

    def run(amount: int) -> float:
        held.append(jax.block_until_ready(train(held.pop(), amount)))
        return float(amount * seeds * per_iteration)

    details = {"devices": 1, "seeds": seeds}
    return Workload("step" if algorithm == "ppo" else "seed-step", {"only": Case(run)}, details)


def _mode(algorithm: str, made: Any, states: Any) -> Any:
    """`act(obs, rng)` of the policy's mode: what its own `make_act` gives for TD3, and samples around otherwise."""
    if algorithm == "td3":
        return made.make_act(states)

    if getattr(made, "discrete", False):
        return lambda obs, rng: made.actor.apply(states.actor_ts.params, obs[None], method="_action_dist").mode()[0]

    def act(obs: jax.Array, rng: jax.Array) -> jax.Array:
        loc = made.actor.apply(states.actor_ts.params, obs[None], method="_action_dist").mean()[0]
        space = made.env.action_space(made.env_params)  # of Pendulum-v1 within 2, not 1
        return jnp.tanh(loc) if algorithm == "sac" else jnp.clip(loc, space.low, space.high)

    return act


def learner(peer: Mapping[str, Any], seeds: int, episodes: int, random_seed: int) -> Workload:
    """A whole training by its own `train`, each `eval_freq` steps evaluated on the mode of its policy; once.

    `peer` holds the fields of `Asked`.
    """
    asked = Asked(**peer)
    algorithm, config = asked.algorithm, asked.config
    made = _made(asked._replace(config={**config, "skip_initial_evaluation": False}))

    def evaluation(algo: Any, states: Any, rng: jax.Array) -> jax.Array:
        act = _mode(algorithm, algo, states)
        return evaluate(act, rng, made.env, made.env_params, episodes, made.env_params.max_steps_in_episode)[1]

    made = made.replace(eval_callback=evaluation)
    found: dict[str, Any] = {}

    def run(amount: int) -> float:
        keys = jax.random.split(jax.random.PRNGKey(random_seed), seeds)
        _, returns = jax.block_until_ready(jax.jit(jax.vmap(made.train))(keys))
        means = returns.mean(axis=2)  # [seeds, evaluations, episodes]
        found["returns"] = means.tolist()
        found["steps"] = [i * int(config["eval_freq"]) for i in range(means.shape[1])]
        return float(seeds * int(config["total_timesteps"]))

    whole = Case(run, amount=1, smallest=lambda: None)
    return Workload("step" if algorithm == "ppo" else "seed-step", {"only": whole}, {"seeds": seeds}, lambda: found)
