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


def squashed_entropy(mean: np.ndarray, log_std: np.ndarray, noise: np.ndarray) -> float:
    """That of the Gaussian, and the mean of log(1 - tanh(u)²) at one u of each row."""
    gaussian = np.sum(0.5 * np.log(2.0 * np.pi * np.e * np.exp(2.0 * log_std)))
    u = mean + np.exp(log_std) * noise
    return float(gaussian + np.log(1.0 / np.cosh(u) ** 2).sum(axis=-1).mean())


def ppo_losses(learner: Any, batch: Any, settings: dict[str, Any], noise: np.ndarray) -> tuple[Loss, Loss]:
    """Of the actor's and of the critic's parameters, without and with `vf_coef`: from the definitions."""
    advantage, obs = batch.advantage, batch.obs
    if settings.get("advantage_normalization", "minibatch") == "minibatch":
        advantage = (advantage - advantage.mean()) / (np.sqrt(np.mean((advantage - advantage.mean()) ** 2)) + 1e-8)
    if settings.get("normalize_observations"):
        moments = learner.policy.constants
        obs = (obs - moments.mean) / np.sqrt(moments.variance + 1e-8)
    if "clip_observations" in settings:
        obs = np.clip(obs, -settings["clip_observations"], settings["clip_observations"])
    activation = {"tanh": np.tanh, "relu": relu}[settings.get("activation", "tanh")]

    def of_actor(params: Tree) -> float:
        mean = mlp(params["params"]["MLP_0"], obs, activation)
        log_std = np.minimum(params["params"]["log_std"], settings.get("log_std_max", np.inf))
        density = np.exp(-0.5 * ((batch.action - mean) / np.exp(log_std)) ** 2) / (np.sqrt(2 * np.pi) * np.exp(log_std))
        if settings.get("squash"):
            density = density / (1.0 - np.tanh(batch.action) ** 2)
        ratio = density.prod(axis=-1) / np.exp(batch.log_prob)
        surrogate = np.minimum(advantage * ratio, advantage * np.clip(ratio, 0.8, 1.2)).mean()
        if settings.get("squashed_entropy"):
            entropy = squashed_entropy(mean, log_std, noise)
        else:
            entropy = np.sum(0.5 * np.log(2.0 * np.pi * np.e * np.exp(2.0 * log_std)))
        return -surrogate - 0.02 * entropy

    def of_critic(params: Tree) -> float:
        values = mlp(params["params"]["MLP_0"], obs, activation)[:, 0]
        error = (values - batch.value_target) ** 2
        if settings.get("clip_vloss"):
            near = batch.value + np.clip(values - batch.value, -0.2, 0.2)
            error = np.maximum(error, (near - batch.value_target) ** 2)
        return 0.7 * 0.5 * error.mean()

    return of_actor, of_critic


def norm_of(slopes: Tree) -> float:
    return float(np.sqrt(sum(np.sum(x**2) for x in jax.tree.leaves(slopes))))


def clipped_adam(params: Tree, slopes: Tree, state: Any, rate: float, most: float | None) -> tuple[Tree, Any]:
    """Adam behind a clip of the global norm, which must be at work; without one where `most` is None."""
    if most is None:
        return adam(params, slopes, state, rate, eps=1e-5)
    norm = norm_of(slopes)
    assert norm > most, "the clip of the gradient is not exercised"
    params, adam_state = adam(params, jax.tree.map(lambda g: g * most / norm, slopes), state[1], rate, eps=1e-5)
    return params, (state[0], adam_state)


def ppo_update(learner: Any, batch: Any, settings: dict[str, Any], noise: np.ndarray) -> tuple[Any, float, float]:
    """The learner after one step on one minibatch, and the norms of the actor's and the critic's gradients."""
    learner, batch = in_float64(learner), in_float64(batch)
    of_actor, of_critic = ppo_losses(learner, batch, settings, noise)
    most = settings.get("max_grad_norm", 0.5)
    slopes = gradient(of_actor, learner.policy.params)
    if settings.get("separate_optimizers"):
        params, opt_state = clipped_adam(learner.policy.params, slopes, learner.opt_state, RATE, most)
        policy = learner.policy._replace(params=params)
        return learner._replace(policy=policy, opt_state=opt_state), norm_of(slopes), np.nan
    both, of_values = (learner.policy.params, learner.critic), gradient(of_critic, learner.critic)
    params, opt_state = clipped_adam(both, (slopes, of_values), learner.opt_state, RATE, most)
    policy = learner.policy._replace(params=params[0])
    return learner._replace(policy=policy, critic=params[1], opt_state=opt_state), norm_of(slopes), norm_of(of_values)


APART = {"separate_optimizers": True, "max_grad_norm": 0.02, "critic_max_grad_norm": 0.1, "critic_learning_rate": 0.02}


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"advantage_normalization": "none", "clip_vloss": True},
        {"advantage_normalization": "batch", "max_grad_norm": None},
        {"squash": True, "log_std_max": -0.1},
        {"squash": True, "squashed_entropy": True, "activation": "relu"},
        {"normalize_observations": True, "clip_observations": 0.8},
        APART,
    ],
    ids=["published", "clipped values", "batch, unclipped", "squash", "squashed entropy", "observations", "apart"],
)
def test_update_of_ppo(settings):
    algorithm = make_agent("ppo", PPO | settings, probes.line())
    state = jax.jit(algorithm.init)(jax.random.key(0))
    if settings.get("normalize_observations"):
        moments = state.learner.policy.constants._replace(
            mean=jnp.array([0.2, -0.3, 0.5]), variance=jnp.array([0.5, 2.0, 0.3])
        )
        state = state._replace(learner=state.learner._replace(policy=state.learner.policy._replace(constants=moments)))
    batch = jax.jit(algorithm.sample_batch)(jax.random.key(3), state)
    assert batch.obs.shape == (6, 3)
    assert {x.shape for x in batch[2:]} == {(6,)}
    update = jax.jit(algorithm.policy_update)
    learner = state.learner
    for _ in range(4):  # the same minibatch at a great rate: ratios move away from 1 and values from the old ones
        learner, metrics = update(jax.random.key(2), learner, batch, jnp.float32(0.1))
    assert metrics["clip_fraction"] > 0.0
    found, metrics = update(jax.random.key(2), learner, batch)
    noise = np.asarray(jax.random.normal(jax.random.key(2), (6, 2)), np.float64)
    expected, actor_norm, critic_norm = ppo_update(learner, batch, settings, noise)
    trees.assert_close(in_float64(found), expected, rtol=1e-4, atol=5e-6)
    np.testing.assert_allclose(metrics["actor_grad_norm"], actor_norm, rtol=1e-3)  # as they were before clipping
    if "separate_optimizers" not in settings:
        np.testing.assert_allclose(metrics["critic_grad_norm"], critic_norm, rtol=1e-3)
        np.testing.assert_allclose(metrics["grad_norm"], np.hypot(actor_norm, critic_norm), rtol=1e-3)


def test_a_critic_with_an_optimizer_of_its_own():
    """One epoch of one minibatch: the actor's step and the critic's, each with its own clip and rate."""
    settings = PPO | APART | {"num_minibatches": 1, "num_epochs": 1}
    algorithm = make_agent("ppo", settings, probes.line())
    state, data, _ = jax.jit(algorithm.collect)(jax.random.key(1), jax.jit(algorithm.init)(jax.random.key(0)))
    found, metrics = jax.jit(algorithm.update, static_argnums=4)(jax.random.key(2), state.learner, (), data, 0)
    learner, batch = in_float64(state.learner), in_float64(data.batch)
    noise = np.zeros((12, 2))
    expected, actor_norm, _ = ppo_update(learner, batch, settings, noise)
    slopes = gradient(ppo_losses(learner, batch, settings, noise)[1], learner.critic)
    critic, opt_state = clipped_adam(learner.critic, slopes, learner.critic_opt_state, 0.02, 0.1)
    trees.assert_close(in_float64(found.policy), expected.policy, rtol=1e-4, atol=5e-6)
    trees.assert_close(in_float64(found.critic), critic, rtol=1e-4, atol=5e-6)
    trees.assert_close(in_float64(found.critic_opt_state), opt_state, rtol=1e-4, atol=5e-6)
    np.testing.assert_allclose(metrics["actor_grad_norm"], actor_norm, rtol=1e-3)
    np.testing.assert_allclose(metrics["critic_grad_norm"], norm_of(slopes), rtol=1e-3)
    assert metrics["actor_grad_norm_var"] == 0.0  # of one minibatch


# --- VPG

VPG = {
    "hidden_dims": [5, 4],
    "actor_lr": RATE,
    "critic_lr": 2.0 * RATE,
    "num_envs": 3,
    "unroll_length": 4,
    "policy_iterations": 3,
    "value_iterations": 2,
    "actor_final_scale": 1.0,
    "critic_final_scale": 1.0,
    "gamma": GAMMA,
    "gae_lambda": 0.7,
    "log_std_init": -0.3,
}


def vpg_losses(batch: Any, settings: dict[str, Any], discrete: bool) -> tuple[Loss, Loss]:
    activation = {"relu": relu, "tanh": np.tanh}[settings.get("activation", "relu")]

    def of_actor(params: Tree) -> float:
        out = mlp(params["params"]["MLP_0"], batch.obs, activation)
        if discrete:
            likely = np.exp(out) / np.exp(out).sum(axis=-1, keepdims=True)
            probability = likely[np.arange(len(out)), batch.action]
        else:
            std = np.exp(params["params"]["log_std"])
            probability = (np.exp(-0.5 * ((batch.action - out) / std) ** 2) / (np.sqrt(2 * np.pi) * std)).prod(axis=-1)
        if settings.get("loss_mode", "vpg") == "vpg":
            return -np.mean(np.log(probability) * batch.psi)
        ratio = probability / np.exp(batch.log_prob)
        return -np.minimum(ratio * batch.psi, np.clip(ratio, 0.9, 1.1) * batch.psi).mean()

    def of_critic(params: Tree) -> float:
        values = mlp(params["params"]["MLP_0"], batch.obs, activation)[:, 0]
        return float(np.mean((values - batch.value_target) ** 2))

    return of_actor, of_critic


def vpg_update(learner: Any, batch: Any, settings: dict[str, Any], discrete: bool) -> tuple[Any, list[float]]:
    """A whole update, and the norms of the policy's gradients."""
    learner, batch = in_float64(learner), in_float64(batch)
    of_actor, of_critic = vpg_losses(batch, settings, discrete)
    params, opt_state, norms = learner.policy.params, learner.actor_opt_state, []
    for _ in range(settings["policy_iterations"]):
        slopes = gradient(of_actor, params)
        norms.append(norm_of(slopes))
        params, opt_state = adam(params, slopes, opt_state, RATE)
    learner = learner._replace(policy=learner.policy._replace(params=params), actor_opt_state=opt_state)
    critic, opt_state = learner.critic, learner.critic_opt_state
    for _ in range(settings["value_iterations"]):
        critic, opt_state = adam(critic, gradient(of_critic, critic), opt_state, 2.0 * RATE)
    return learner._replace(critic=critic, critic_opt_state=opt_state), norms


PUBLISHED_VPG: dict[str, Any] = {}
WITH_RATIO = {"loss_mode": "ppo", "activation": "tanh", "initialization": "orthogonal"}
REINFORCE = {"psi": "future_return", "normalize_psi": False, "value_target": "lambda_return", "num_envs": 1}


@pytest.mark.parametrize(
    "more, discrete",
    [
        (PUBLISHED_VPG, False),
        (WITH_RATIO, True),
        (REINFORCE, False),
        pytest.param(PUBLISHED_VPG, True, marks=pytest.mark.slow),
        pytest.param(WITH_RATIO, False, marks=pytest.mark.slow),
        pytest.param(REINFORCE, True, marks=pytest.mark.slow),
    ],
)
def test_update_of_vpg(more, discrete):
    settings = VPG | more
    algorithm = make_agent("vpg", settings, probes.choices() if discrete else probes.line())
    state, data, _ = jax.jit(algorithm.collect)(jax.random.key(1), jax.jit(algorithm.init)(jax.random.key(0)))
    assert data.action.dtype == (jnp.int32 if discrete else jnp.float32)
    num = settings["num_envs"] * 4
    assert {data.log_prob.shape, data.psi.shape, data.value_target.shape} == {(num,)}
    update = jax.jit(algorithm.update, static_argnums=4)
    learner = state.learner
    for _ in range(2):  # moments of several gradients; ratios away from 1
        learner, metrics = update(jax.random.key(2), learner, (), data, 0)
    if "loss_mode" in more:
        assert metrics["clip_fraction"] > 0.0
    found, metrics = update(jax.random.key(2), learner, (), data, 0)
    expected, norms = vpg_update(learner, data, settings, discrete)
    trees.assert_close(in_float64(found), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(metrics["actor_grad_norm"], np.mean(norms), rtol=1e-3)
    np.testing.assert_allclose(metrics["actor_grad_norm_var"], np.var(norms), rtol=1e-2, atol=1e-8)
    one, _ = jax.jit(algorithm.policy_update)(
        jax.random.key(3), learner, algorithm.sample_batch(jax.random.key(4), state)
    )
    assert not trees.is_same(one.policy, learner.policy)
    trees.assert_same(one.critic, learner.critic)


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
