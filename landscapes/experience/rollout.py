"""Episodes of agents, for measuring: one plain `episode_return`, and one engine for very many of them.

Knows the environment contract and the function `act`; knows no concrete algorithm. With `unroll` the only room that
calls `env.step`.

The engine keeps `num_lanes` episodes going at once. As soon as the episode in a lane has ended, the lane takes the
next episode of the list, so that the cost follows the steps lived and not the longest episode:

    lane 0   [ episode 0      ][ 4   ][ 5              ]
    lane 1   [ 1  ][ 3               ][ 6  ][ 8 ]
    lane 2   [ 2          ][ 7                     ]      time →

Each episode has its own policy and its own key, so where and when it runs does not change what is drawn.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from landscapes.types import Act, Environment, Key, Lane, Policy, PyTree, TimeStep

STEPS_PER_ROUND = 10
"""Steps the engine takes between two looks for ended episodes."""


InitMemory = Callable[[Key, Policy], PyTree]


class EpisodeResult(NamedTuple):
    """Of each episode: undiscounted return, Σ γ^t r_t from t = 0, and length in steps."""

    returns: jax.Array
    discounted_returns: jax.Array
    lengths: jax.Array


def episode_return(
    env: Environment,
    act: Act,
    init_memory: InitMemory,
    key: Key,
    policy: Policy,
    start: tuple[PyTree, TimeStep],
    gamma: float = 0.99,
) -> EpisodeResult:
    """Result `[]` of one episode from `start`, the plain way: all `episode_length` steps, masked after the end.

    The terminating step's reward counts, nothing after it. This is the judge of the engine.
    """
    key_memory, key_act = jax.random.split(key)
    env_state, timestep = start

    def step(carry: Any, t: jax.Array) -> tuple[Any, tuple[jax.Array, jax.Array]]:
        env_state, timestep, memory, alive = carry
        action, memory = act(jax.random.fold_in(key_act, t), policy, timestep, memory)
        env_state, timestep = env.step(env_state, action)
        reward = jnp.where(alive, timestep.reward, 0.0)
        return (env_state, timestep, memory, alive & ~(timestep.terminated | timestep.truncated)), (reward, alive)

    carry = (env_state, timestep, init_memory(key_memory, policy), jnp.array(True))
    _, (rewards, alive) = jax.lax.scan(step, carry, jnp.arange(env.episode_length))
    discounts = gamma ** jnp.arange(env.episode_length)
    return EpisodeResult(rewards.sum(), (discounts * rewards).sum(), alive.sum())


class Episodes(NamedTuple):
    """A list of episodes to roll out. Episode i uses `policies[policy_index[i]]`, `starts[start_index[i]]`, `keys[i]`.

    `num_episodes` [] int32 may be below the length of the list: the rest is padding and is not rolled out.
    """

    policies: Policy
    policy_index: jax.Array
    starts: tuple[PyTree, TimeStep]
    start_index: jax.Array
    keys: Key
    num_episodes: jax.Array


class EngineState(NamedTuple):
    """Lanes `[L, ...]` and the results so far `[n]`; `episode` is the list index a lane works on, -1 if none.

    `policy` is each lane's own copy, or `()` where all lanes share one.
    """

    env_state: PyTree
    timestep: TimeStep
    memory: PyTree
    policy: PyTree
    key: Key
    episode: jax.Array
    alive: jax.Array
    num_steps: jax.Array
    returns: jax.Array
    discounted_returns: jax.Array
    discount: jax.Array
    next_episode: jax.Array
    results: EpisodeResult
    num_finished: jax.Array
    steps_lived: jax.Array


class Watched(NamedTuple):
    """What is seen of one lane after each step of a round, `[STEPS_PER_ROUND, ...]`; where it had not `lived` until
    then, the step belongs to no episode."""

    seen: PyTree
    reward: jax.Array
    terminated: jax.Array
    lived: jax.Array


class Engine(NamedTuple):
    """`begin(episodes)` and `advance(state, episodes, num_rounds)`; done once `num_finished == num_episodes`.

    `watch(state, episodes, look, lane)` is what `look(env_state)` sees of a lane in the next round; it does not
    advance.
    """

    begin: Callable[[Episodes], EngineState]
    advance: Callable[[EngineState, Episodes, jax.Array], EngineState]
    watch: Callable[[EngineState, Episodes, Callable[[PyTree], PyTree], jax.Array], Watched]


def _set_lane(lanes: PyTree, lane: jax.Array, values: PyTree, index: jax.Array) -> PyTree:
    """`lanes` with row `lane` replaced by row `index` of `values`, in place inside a compiled loop."""
    return jax.tree.map(
        lambda x, v: jax.lax.dynamic_update_index_in_dim(
            x, jax.lax.dynamic_index_in_dim(v, index, keepdims=False), lane, 0
        ),
        lanes,
        values,
    )


def make_engine(
    env: Environment, act: Act, init_memory: InitMemory, num_lanes: int, gamma: float, shared_policy: bool = False
) -> Engine:
    """An engine of `num_lanes` lanes. With `shared_policy` all episodes use `policies[0]`, which is then not copied.

    `act` may close over traced values, if the engine is built inside the function that is compiled. `num_rounds` is
    traced: how often the host looks in does not change the program nor its results.
    """

    def begin(episodes: Episodes) -> EngineState:
        num = episodes.policy_index.shape[0]
        zeros, counts = jnp.zeros(num_lanes), jnp.zeros(num_lanes, jnp.int32)

        def lanes(tree: PyTree) -> PyTree:
            return jax.tree.map(lambda x: jnp.broadcast_to(x[:1], (num_lanes, *x.shape[1:])), tree)

        env_state, timestep = lanes(episodes.starts)
        policy = () if shared_policy else lanes(episodes.policies)
        first = jax.tree.map(lambda x: x[0], episodes.policies)
        state = EngineState(
            env_state=env_state,
            timestep=timestep,
            memory=jax.vmap(lambda key: init_memory(key, first))(lanes(episodes.keys)),
            policy=policy,
            key=lanes(episodes.keys),
            episode=counts - 1,
            alive=jnp.zeros(num_lanes, bool),
            num_steps=counts,
            returns=zeros,
            discounted_returns=zeros,
            discount=zeros,
            next_episode=jnp.int32(0),
            results=EpisodeResult(jnp.zeros(num), jnp.zeros(num), jnp.zeros(num, jnp.int32)),
            num_finished=jnp.int32(0),
            steps_lived=jnp.int32(0),
        )
        return refill(state, episodes)

    def step_lane(key: Key, policy: Policy, lane: Lane, num_steps: jax.Array) -> Lane:
        action, memory = act(jax.random.fold_in(key, num_steps), policy, lane.timestep, lane.memory)
        env_state, timestep = env.step(lane.env_state, action)
        return Lane(env_state, timestep, memory)

    def step(state: EngineState, shared: PyTree) -> EngineState:
        lane = Lane(state.env_state, state.timestep, state.memory)
        policy, axis = (shared, None) if shared_policy else (state.policy, 0)
        lane = jax.vmap(step_lane, (0, axis, 0, 0))(state.key, policy, lane, state.num_steps)
        reward = jnp.where(state.alive, lane.timestep.reward, 0.0)
        return state._replace(
            env_state=lane.env_state,
            timestep=lane.timestep,
            memory=lane.memory,
            alive=state.alive & ~(lane.timestep.terminated | lane.timestep.truncated),
            num_steps=state.num_steps + state.alive,
            returns=state.returns + reward,
            discounted_returns=state.discounted_returns + state.discount * reward,
            discount=state.discount * gamma,
            steps_lived=state.steps_lived + state.alive.sum(),
        )

    def collect(state: EngineState) -> EngineState:
        """Writes down the episodes that have ended and frees their lanes."""
        ended = ~state.alive & (state.episode >= 0)
        index = jnp.where(ended, state.episode, state.results.returns.shape[0])  # out of range: dropped
        values = EpisodeResult(state.returns, state.discounted_returns, state.num_steps)
        results = jax.tree.map(lambda x, v: x.at[index].set(v, mode="drop"), state.results, values)
        return state._replace(
            results=results,
            num_finished=state.num_finished + ended.sum(),
            episode=jnp.where(ended, -1, state.episode),
        )

    def refill(state: EngineState, episodes: Episodes) -> EngineState:
        """Gives each free lane the next episode, as long as there are any."""
        free = state.episode < 0
        num_taken = jnp.minimum(free.sum(), episodes.num_episodes - state.next_episode)
        order = jnp.argsort(~free, stable=True)

        def take(i: jax.Array, state: EngineState) -> EngineState:
            lane, episode = order[i], state.next_episode
            which = episodes.policy_index[episode]
            key_memory, key_act = jax.random.split(episodes.keys[episode])
            memory = init_memory(key_memory, jax.tree.map(lambda x: x[which], episodes.policies))
            env_state, timestep = _set_lane(
                (state.env_state, state.timestep), lane, episodes.starts, episodes.start_index[episode]
            )
            return state._replace(
                env_state=env_state,
                timestep=timestep,
                memory=jax.tree.map(lambda x, v: x.at[lane].set(v), state.memory, memory),
                policy=state.policy if shared_policy else _set_lane(state.policy, lane, episodes.policies, which),
                key=state.key.at[lane].set(key_act),
                episode=state.episode.at[lane].set(episode),
                alive=state.alive.at[lane].set(True),
                num_steps=state.num_steps.at[lane].set(0),
                returns=state.returns.at[lane].set(0.0),
                discounted_returns=state.discounted_returns.at[lane].set(0.0),
                discount=state.discount.at[lane].set(1.0),
                next_episode=episode + 1,
            )

        return jax.lax.fori_loop(0, num_taken, take, state)

    def advance(state: EngineState, episodes: Episodes, num_rounds: jax.Array) -> EngineState:
        shared = jax.tree.map(lambda x: x[0], episodes.policies) if shared_policy else ()

        def go_on(carry: tuple[jax.Array, EngineState]) -> jax.Array:
            return (carry[0] < num_rounds) & (carry[1].num_finished < episodes.num_episodes)

        def one_round(carry: tuple[jax.Array, EngineState]) -> tuple[jax.Array, EngineState]:
            i, state = carry
            state, _ = jax.lax.scan(lambda x, _: (step(x, shared), None), state, None, length=STEPS_PER_ROUND)
            return i + 1, refill(collect(state), episodes)

        return jax.lax.while_loop(go_on, one_round, (jnp.int32(0), state))[1]

    def watch(state: EngineState, episodes: Episodes, look: Callable[[PyTree], PyTree], lane: jax.Array) -> Watched:
        shared = jax.tree.map(lambda x: x[0], episodes.policies) if shared_policy else ()

        def one_step(state: EngineState, _: None) -> tuple[EngineState, Watched]:
            after = step(state, shared)
            env_state, reward, terminated, lived = jax.tree.map(
                lambda x: x[lane], (after.env_state, after.timestep.reward, after.timestep.terminated, state.alive)
            )
            return after, Watched(look(env_state), reward, terminated, lived)

        return jax.lax.scan(one_step, state, None, length=STEPS_PER_ROUND)[1]

    return Engine(begin, advance, watch)
