"""One update of each algorithm against a slow second implementation in float64 NumPy.

The second one has its own networks, its own Adam and gradients by central differences. What it takes over is what the
keys draw: rows of the replay log and normal noise.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import probes
import pytest
import trees

from landscapes.experience import replay
from landscapes.loading import make_agent
from landscapes.types import Agent, TrainState, Transition

RATE = 1e-2  # large, so that a step stands far above the rounding of float32
GAMMA, TAU = 0.9, 0.05
OFF_POLICY = {
    "hidden_dims": [5, 4],
    "actor_lr": RATE,
    "critic_lr": 2.0 * RATE,
    "gamma": GAMMA,
    "tau": TAU,
    "actor_batch_size": 4,
    "critic_batch_size": 6,
    "replay_capacity": 32,
}
PPO = {
    "hidden_dims": [5, 4],
    "learning_rate": RATE,
    "num_envs": 3,
    "unroll_length": 4,
    "num_minibatches": 2,
    "total_timesteps": 1200,
    "ent_coef": 0.02,
    "vf_coef": 0.7,
    "max_grad_norm": 0.5,
}

Tree = Any
Loss = Callable[[Tree], float]


def in_float64(tree: Tree) -> Tree:
    return jax.tree.map(lambda x: np.asarray(x, np.float64) if np.issubdtype(x.dtype, np.floating) else x, tree)


def gradient(loss: Loss, params: Tree, width: float = 1e-6) -> Tree:
    """Central differences, entry by entry."""
    params = jax.tree.map(np.array, params)  # copies, changed in place below

    def of_leaf(leaf: np.ndarray) -> np.ndarray:
        slopes = np.zeros_like(leaf)
        for index in np.ndindex(leaf.shape):
            kept = leaf[index]
            leaf[index] = kept + width
            above = loss(params)
            leaf[index] = kept - width
            slopes[index] = (above - loss(params)) / (2.0 * width)
            leaf[index] = kept
        return slopes

    return jax.tree.map(of_leaf, params)


def adam(params: Tree, slopes: Tree, state: Any, rate: float, eps: float = 1e-8) -> tuple[Tree, Any]:
    """Kingma and Ba (2015), algorithm 1, from the moments in `state`."""
    count = int(state.count) + 1
    mu = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, state.mu, slopes)
    nu = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g**2, state.nu, slopes)

    def moved(p: np.ndarray, m: np.ndarray, v: np.ndarray) -> np.ndarray:
        return p - rate * (m / (1.0 - 0.9**count)) / (np.sqrt(v / (1.0 - 0.999**count)) + eps)

    return jax.tree.map(moved, params, mu, nu), optax.ScaleByAdamState(np.int32(count), mu, nu)


def dense(params: Tree, x: np.ndarray) -> np.ndarray:
    return x @ params["kernel"] + params["bias"]


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0.0)


def mlp(params: Tree, x: np.ndarray, activation: Callable[[np.ndarray], np.ndarray] = relu) -> np.ndarray:
    layers = [params[f"Dense_{i}"] for i in range(len(params))]
    for layer in layers[:-1]:
        x = activation(dense(layer, x))
    return dense(layers[-1], x)


def twin_q(params: Tree, obs: np.ndarray, action: np.ndarray) -> np.ndarray:
    x = np.concatenate([obs, action], axis=-1)
    return np.stack([mlp(params["params"][f"ActionCritic_{i}"]["MLP_0"], x)[:, 0] for i in range(2)])


def polyak(target: Tree, online: Tree) -> Tree:
    return jax.tree.map(lambda t, o: (1.0 - TAU) * t + TAU * o, target, online)


def critic_step(learner: Any, batch: Any, target: np.ndarray) -> dict[str, Tree]:
    def loss(params: Tree) -> float:
        q = twin_q(params, batch.obs, batch.action)
        return np.mean((q[0] - target) ** 2) + np.mean((q[1] - target) ** 2)

    critic, opt_state = adam(learner.critic, gradient(loss, learner.critic), learner.critic_opt_state, 2.0 * RATE)
    return {"critic": critic, "critic_opt_state": opt_state}


def with_filled_log(algorithm: Agent, num_rows: int = 20) -> TrainState:
    """A first state whose log holds made-up transitions, some of which terminated and some of which ran out of time."""
    state = jax.jit(algorithm.init)(jax.random.key(0))
    generator = np.random.default_rng(0)
    rows = Transition(
        obs=generator.normal(size=(num_rows, 3)).astype(np.float32),
        action=generator.uniform(-1.0, 1.0, (num_rows, 2)).astype(np.float32),
        reward=generator.normal(size=num_rows).astype(np.float32),
        next_obs=generator.normal(size=(num_rows, 3)).astype(np.float32),
        terminated=np.arange(num_rows) % 3 == 0,
        truncated=np.arange(num_rows) % 3 == 1,
    )
    log = state.log
    data = jax.tree.map(lambda ring, new: ring.at[:num_rows].set(new), log.data, rows)
    return state._replace(log=replay.Replay(data, jnp.uint32(num_rows)))


def trained(algorithm: Agent, num_updates: int = 3) -> tuple[TrainState, Callable[..., Any]]:
    """A state after some updates, so that targets lag and moments are those of several gradients; and `update`."""

    def of_state(key: Any, state: TrainState, data: Any, phase: int) -> Any:
        return algorithm.update(key, state.learner, state.log, data, phase)

    state, update = with_filled_log(algorithm), jax.jit(of_state, static_argnums=3)
    for i in range(num_updates):
        learner = update(jax.random.key(100 + i), state, (), i % algorithm.period)[0]
        state = state._replace(learner=learner)
    return state, update


def drawn_rows(key: Any, state: TrainState) -> tuple[Transition, Transition]:
    """What one update draws from the log: the critics' batch of 6 and the actor's of 4, the first of the same rows."""
    rows = in_float64(replay.sample(key, state.log, 6))
    return rows, jax.tree.map(lambda x: x[:4], rows)


def test_gradients_by_differences_are_right():
    found = gradient(lambda p: float(np.sum(p["a"] ** 3) + p["b"]), {"a": np.array([1.0, 2.0]), "b": np.array(5.0)})
    np.testing.assert_allclose(found["a"], [3.0, 12.0], rtol=1e-8)
    np.testing.assert_allclose(found["b"], 1.0, rtol=1e-8)


# --- TD3


def td3_actor(params: Tree, obs: np.ndarray) -> np.ndarray:
    return np.tanh(mlp(params["params"]["MLP_0"], obs))


def td3_actor_step(learner: Any, batch: Any) -> Any:
    def loss(params: Tree) -> float:
        return -twin_q(learner.critic, batch.obs, td3_actor(params, batch.obs)).min(axis=0).mean()

    params = learner.policy.params
    params, opt_state = adam(params, gradient(loss, params), learner.actor_opt_state, RATE)
    return learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)


def td3_update(key: Any, state: TrainState, with_actor: bool) -> Any:
    key_batch, key_critic, _ = jax.random.split(jax.random.fold_in(key, 0), 3)
    learner = in_float64(state.learner)
    rows, actor_rows = drawn_rows(key_batch, state)
    noise = np.asarray(jax.random.normal(key_critic, (6, 2)), np.float64)
    noise = np.clip(0.4 * noise, -0.5, 0.5)
    assert (np.abs(noise) == 0.5).any(), "the clip of the smoothing noise is not exercised"
    next_action = np.clip(td3_actor(learner.target_policy, rows.next_obs) + noise, -1.0, 1.0)
    next_value = twin_q(learner.target_critic, rows.next_obs, next_action).min(axis=0)
    target = rows.reward + GAMMA * np.where(rows.terminated, 0.0, next_value)
    learner = learner._replace(**critic_step(learner, rows, target))
    if with_actor:
        learner = td3_actor_step(learner, actor_rows)
        learner = learner._replace(
            target_policy=polyak(learner.target_policy, learner.policy.params),
            target_critic=polyak(learner.target_critic, learner.critic),
        )
    return learner


@pytest.fixture(scope="module")
def td3():
    settings = OFF_POLICY | {"target_policy_noise": 0.4}
    return trained(make_agent("td3", settings, probes.line()))


@pytest.mark.parametrize("phase", [0, 1])
def test_update_of_td3(td3, phase):
    state, update = td3
    key = jax.random.key(7)
    found, metrics = update(key, state, (), phase)
    trees.assert_close(in_float64(found), td3_update(key, state, phase == 1), rtol=1e-4, atol=3e-6)
    assert ("actor_loss" in metrics) == (phase == 1)


# --- SAC


def sac_action(params: Tree, obs: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """tanh(u) and its log-density, straight from the definition."""
    params = params["params"]
    features = relu(mlp(params["MLP_0"], obs))
    mean, squashed = dense(params["Dense_0"], features), np.tanh(dense(params["Dense_1"], features))
    log_std = -10.0 + 12.0 * (squashed + 1.0) / 2.0
    u = mean + np.exp(log_std) * noise
    slope_of_tanh = 1.0 / np.cosh(u) ** 2
    density = np.exp(-0.5 * noise**2) / (np.sqrt(2.0 * np.pi) * np.exp(log_std)) / slope_of_tanh
    return np.tanh(u), np.log(density).sum(axis=-1)


def sac_update(key: Any, state: TrainState) -> Any:
    key_batch, key_critic, key_actor = jax.random.split(jax.random.fold_in(key, 0), 3)
    learner = in_float64(state.learner)
    rows, actor_rows = drawn_rows(key_batch, state)
    temperature = np.exp(learner.log_temperature)
    noise = np.asarray(jax.random.normal(key_critic, (6, 2)), np.float64)
    next_action, log_prob = sac_action(learner.policy.params, rows.next_obs, noise)
    next_value = twin_q(learner.target_critic, rows.next_obs, next_action).min(axis=0) - temperature * log_prob
    target = rows.reward + GAMMA * np.where(rows.terminated, 0.0, next_value)
    learner = learner._replace(**critic_step(learner, rows, target))
    learner = learner._replace(target_critic=polyak(learner.target_critic, learner.critic))

    noise = np.asarray(jax.random.normal(key_actor, (4, 2)), np.float64)

    def actor_loss(params: Tree) -> float:
        action, log_prob = sac_action(params, actor_rows.obs, noise)
        return np.mean(temperature * log_prob - twin_q(learner.critic, actor_rows.obs, action).min(axis=0))

    params = learner.policy.params
    entropy = -sac_action(params, actor_rows.obs, noise)[1].mean()
    params, opt_state = adam(params, gradient(actor_loss, params), learner.actor_opt_state, RATE)
    learner = learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)

    slope = temperature * (entropy + 1.0)  # two actions: the target entropy is -1
    log_temperature, opt_state = adam(learner.log_temperature, slope, learner.temperature_opt_state, 3.0 * RATE)
    return learner._replace(log_temperature=log_temperature, temperature_opt_state=opt_state)


@pytest.fixture(scope="module")
def sac():
    settings = OFF_POLICY | {"temperature_lr": 3.0 * RATE, "initial_temperature": 0.5}
    return trained(make_agent("sac", settings, probes.line()))


def test_update_of_sac(sac):
    state, update = sac
    key = jax.random.key(7)
    found, _ = update(key, state, (), 0)
    trees.assert_close(in_float64(found), sac_update(key, state), rtol=1e-4, atol=1e-5)


# --- PPO


def ppo_update(learner: Any, batch: Any, norm_adv: bool, clip_vloss: bool) -> Any:
    learner, batch = in_float64(learner), in_float64(batch)
    advantage = batch.advantage
    if norm_adv:
        advantage = (advantage - advantage.mean()) / (np.sqrt(np.mean((advantage - advantage.mean()) ** 2)) + 1e-8)

    def loss(params: Tree) -> float:
        actor, critic = params[0]["params"], params[1]["params"]
        mean, log_std = mlp(actor["MLP_0"], batch.obs, np.tanh), actor["log_std"]
        values = mlp(critic["MLP_0"], batch.obs, np.tanh)[:, 0]
        density = np.exp(-0.5 * ((batch.action - mean) / np.exp(log_std)) ** 2) / (np.sqrt(2 * np.pi) * np.exp(log_std))
        ratio = density.prod(axis=-1) / np.exp(batch.log_prob)
        surrogate = np.minimum(advantage * ratio, advantage * np.clip(ratio, 0.8, 1.2)).mean()
        error = (values - batch.value_target) ** 2
        if clip_vloss:
            near = batch.value + np.clip(values - batch.value, -0.2, 0.2)
            error = np.maximum(error, (near - batch.value_target) ** 2)
        entropy = np.sum(0.5 * np.log(2.0 * np.pi * np.e * np.exp(2.0 * log_std)))
        return -surrogate - 0.02 * entropy + 0.7 * 0.5 * error.mean()

    params = (learner.policy.params, learner.critic)
    slopes = gradient(loss, params)
    norm = np.sqrt(sum(np.sum(x**2) for x in jax.tree.leaves(slopes)))
    assert norm > 0.5, "the clip of the gradient is not exercised"
    slopes = jax.tree.map(lambda g: g * 0.5 / norm, slopes)
    clip_state, adam_state = learner.opt_state
    params, adam_state = adam(params, slopes, adam_state, RATE, eps=1e-5)
    policy = learner.policy._replace(params=params[0])
    return learner._replace(policy=policy, critic=params[1], opt_state=(clip_state, adam_state))


@pytest.mark.parametrize("norm_adv, clip_vloss", [(True, False), (False, True)])
def test_update_of_ppo(norm_adv, clip_vloss):
    settings = PPO | {"norm_adv": norm_adv, "clip_vloss": clip_vloss}
    algorithm = make_agent("ppo", settings, probes.line())
    state = jax.jit(algorithm.init)(jax.random.key(0))
    batch = jax.jit(algorithm.sample_batch)(jax.random.key(3), state)
    assert batch.obs.shape == (6, 3)
    update = jax.jit(algorithm.policy_update)
    learner = state.learner
    for _ in range(4):  # the same minibatch at a great rate: ratios move away from 1 and values from the old ones
        learner, metrics = update(jax.random.key(2), learner, batch, jnp.float32(0.1))
    assert metrics["clip_fraction"] > 0.0
    found, metrics = update(jax.random.key(2), learner, batch)
    expected = ppo_update(learner, batch, norm_adv, clip_vloss)
    trees.assert_close(in_float64(found), expected, rtol=1e-4, atol=3e-6)
    assert metrics["grad_norm"] > 0.5  # as it was before clipping


# --- all


@pytest.mark.parametrize("name", ["td3", "sac"])
def test_restored_moments_matter(name, request):
    """A fresh Adam makes a step of the size of its rate along every weight; one that remembers does not."""
    state, _ = request.getfixturevalue(name)
    algorithm = make_agent(name, OFF_POLICY, probes.line())
    batch = algorithm.sample_batch(jax.random.key(1), state)
    update = jax.jit(algorithm.policy_update)

    def moves(learner: Any) -> np.ndarray:
        old, new = learner.policy.params, update(jax.random.key(2), learner, batch)[0].policy.params
        return np.concatenate([np.ravel(x - y) for x, y in zip(*map(jax.tree.leaves, (new, old)), strict=True)])

    remembered = moves(state.learner)
    forgotten = moves(
        state.learner._replace(actor_opt_state=jax.tree.map(jnp.zeros_like, state.learner.actor_opt_state))
    )
    assert set(np.round(np.abs(forgotten) / RATE, 2)) <= {0.0, 1.0}
    assert np.abs(remembered - forgotten).max() > 0.2 * RATE
