"""The records everything else speaks in: time steps, policies, training states, and the two contracts.

Knows pytrees and spaces only; no environment, no network, no algorithm and no file.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from landscapes.spaces import Box, Space, Spaces

Key = jax.Array
PyTree = Any
Metrics = dict[str, jax.Array]


class TimeStep(NamedTuple):
    """What an agent sees of one step.

    `obs` is what to act on: after a reset, if one happened. `next_obs` is what the step truly led to, before any
    reset. `terminated` stops bootstrapping, `truncated` (a time limit) does not.
    """

    obs: jax.Array
    next_obs: jax.Array
    reward: jax.Array
    terminated: jax.Array
    truncated: jax.Array


def first_step(obs: jax.Array) -> TimeStep:
    """The time step of a fresh start: nothing was earned, nothing has ended."""
    false = jnp.zeros((), bool)
    return TimeStep(obs, obs, jnp.zeros(()), false, false)


class Transition(NamedTuple):
    """One step as learning data; `next_obs` is the true next observation, also where the episode ended."""

    obs: jax.Array
    action: jax.Array
    reward: jax.Array
    next_obs: jax.Array
    terminated: jax.Array
    truncated: jax.Array


class Policy(NamedTuple):
    """All that acting needs. Noise and slices touch `params` only; a line between two policies moves both."""

    params: PyTree
    constants: PyTree


class Lane(NamedTuple):
    """An agent in the middle of an episode."""

    env_state: PyTree
    timestep: TimeStep
    memory: PyTree


class Unrolled(NamedTuple):
    """What lanes have lived through, `[lanes, T, ...]`; `memory` `[lanes, ...]` is what each began with.

    `alive` `[lanes, T]` is false behind the end of an episode where whole episodes are collected, else true throughout.
    """

    steps: Transition
    extras: PyTree
    """What `explore` noted with each action."""
    memory: PyTree
    alive: jax.Array


class Collecting(NamedTuple):
    """How an algorithm wants its experience, all static: so many `lanes` side by side, `steps` of each an iteration.

    With `whole_episodes` each lane lives through one episode instead, from a fresh start to its end. With
    `fresh_starts` every iteration begins with fresh episodes, and the last one before is cut off where it stands.
    """

    lanes: int = 1
    steps: int = 1
    whole_episodes: bool = False
    fresh_starts: bool = False


class TrainState(NamedTuple):
    """Where a training stands.

    `learner` is small and changed by updates (its field `policy` acts). `log` is what they draw from, a `Replay` that
    is stored once per seed as a growing prefix, or `()`. `lanes` `[lanes, ...]` are the environments in which
    experience is collected, `Lane`s that no algorithm sees; `()` where every iteration begins with fresh ones.
    """

    learner: Any
    log: PyTree
    lanes: PyTree


class Reset(Protocol):
    def __call__(self, key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PyTree, TimeStep]:
        """A fresh environment state and its first time step; `start_noise` scales the environment's own start noise."""


class Environment(NamedTuple):
    """A pure environment: two traceable functions of single (unbatched) states, and its spaces.

    `step` truncates after `episode_length` steps and never resets by itself. Numbers of an action are in [-1, 1], and
    clipped to it inside. Where `scales_start_noise` is false, `start_noise` is ignored and the start is drawn as the
    simulator draws it. An environment whose roll-outs can be shown has `pose` and `scene` (in three dimensions) or
    `frame` (as pictures).
    """

    name: str
    backend: str
    reset: Reset
    step: Callable[[PyTree, jax.Array], tuple[PyTree, TimeStep]]
    observation: Box
    action: Space
    episode_length: int
    scales_start_noise: bool = True
    pose: Callable[[PyTree], tuple[jax.Array, jax.Array]] | None = None
    """Where the links of a state are: positions `[num_links, 3]` in metres, rotations `[num_links, 4]` as unit
    quaternions, the real part first."""
    scene: Callable[[], dict[str, Any]] | None = None
    """What to draw at those places, ready for JSON; docs/files.md says how."""
    frame: Callable[[PyTree], jax.Array] | None = None
    """A state as a picture, `[height, width, 3]` uint8."""
    seconds_per_step: float = 1 / 30
    """How long a step is on the screen where roll-outs are shown as pictures; a `scene` says it of itself."""
    light: bool = False
    """Whether a step is little work for the compiled program, as where it is a few formulas, or done outside: networks
    decide there what a program costs, and it is compiled and laid out for them."""
    renew: Callable[[Key, PyTree, jax.Array], tuple[PyTree, jax.Array]] | None = None
    """Where `reset` is dear: `(key, state, ended)` -> the state, replaced by a fresh start where `ended` [] bool, and
    the observation of that start (of no meaning elsewhere). None: starts are drawn beforehand by `reset`."""

    @property
    def spaces(self) -> Spaces:
        return Spaces(self.observation, self.action)


class PolicyUpdate(Protocol):
    def __call__(
        self, key: Key, learner: Any, batch: PyTree, learning_rate: jax.Array | None = None
    ) -> tuple[Any, Metrics]:
        """The learner after exactly one optimizer step on the policy.

        `learning_rate` is traced; None is the learner's own.
        """


class Act(Protocol):
    def __call__(self, key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        """An action, a value of the action space, and the next memory."""


class UpdateKind(NamedTuple):
    """How a published name of a perturbation by one update (`td3_optimization`, ...) is to be read.

    `amount` says what the user's number means: `"learning_rate"` (0 is a step of length zero) or `"label"` (a positive
    value overrides the run's learning rate, anything else leaves it). `action_noise` is added to the actions of the
    roll-outs and `episodes` roll-outs are averaged per policy.
    """

    amount: str = "learning_rate"
    action_noise: float = 0.0
    episodes: int = 1


def no_memory(key: Key, policy: Policy) -> PyTree:
    """The memory of an agent that has none."""
    return ()


class Digest(Protocol):
    def __call__(self, key: Key, learner: Any, log: PyTree, unrolled: Unrolled) -> tuple[PyTree, PyTree, Metrics]:
        """What experience becomes: the log with more in it, the data `update` needs besides (`()` if it draws from the
        log), and metrics. Pure: no environment, and the learner is only read."""


class Update(Protocol):
    def __call__(
        self,
        key: Key,
        learner: Any,
        log: PyTree,
        data: PyTree,
        phase: int,
        learning_rate: jax.Array | None = None,
    ) -> tuple[Any, Metrics]:
        """The learner after the updates of one iteration; `phase` is a Python int in range(period).

        `learning_rate` is traced and that of every step on the policy; None is the learner's own.
        """


class LogProb(Protocol):
    def __call__(
        self, key: Key, policy: Policy, timestep: TimeStep, memory: PyTree, action: jax.Array
    ) -> tuple[jax.Array, PyTree]:
        """The log-probability [] of an action, and the next memory."""


class Algorithm(NamedTuple):
    """One learning algorithm as pure functions, bound to its config and to the spaces of an environment.

    It never meets the environment itself: an `Agent` does, which steps it and hands on what was lived through. Every
    function works on one member (no seed axis); seeds and samples are mapped over from outside. An iteration is
    `digest` of what was collected, followed by `update`, which alone changes the learner.
    """

    name: str
    init: Callable[[Key], tuple[Any, PyTree]]
    """A fresh learner, with a field `policy`, and an empty log."""
    collecting: Collecting
    digest: Digest
    update: Update
    batch_of: Callable[[Key, PyTree, PyTree], PyTree]
    """The data of one policy update from `(key, log, data)`, drawn as training draws it; reads only."""
    policy_update: PolicyUpdate
    act: Act
    """The mode, for measuring."""
    explore: Callable[[Key, Policy, TimeStep, PyTree], tuple[jax.Array, PyTree, PyTree]]
    """An action as in training, the next memory, and extras (log-probability, where there is one)."""
    init_memory: Callable[[Key, Policy], PyTree] = no_memory
    log_prob: LogProb | None = None
    """Of an action under the policy, where it has one; what clones of policies with discrete actions learn by."""
    is_stochastic: bool = False
    """Whether the policy is a distribution that `explore` draws from; false where that adds noise to the mode."""
    learns_from_log: bool = False
    """Whether the data of an update come from the log alone, and not from a fresh unroll: `update` then reads no
    `data`."""
    period: int = 1
    """How many successive iterations differ statically (the delay of TD3)."""
    warm_up_steps: int = 0
    """How many iterations of uniform random actions without an update come first."""
    update_kinds: Mapping[str, UpdateKind] = {}
    """The published names of perturbations by one update that this algorithm answers to."""


class Collect(Protocol):
    def __call__(
        self, key: Key, state: TrainState, uniform: bool | jax.Array = False
    ) -> tuple[TrainState, PyTree, Metrics]:
        """The environment steps of one iteration, digested: the state with more experience, the data `update` needs
        besides, and metrics. `uniform` (may be traced) asks for uniform random actions."""


class Agent(NamedTuple):
    """An algorithm at work in an environment: what training and every study are written with.

    An iteration is `collect`, which alone touches the environment, followed by `update`, which alone changes the
    learner.
    """

    env: Environment
    algorithm: Algorithm
    env_steps: int
    """The most environment steps one iteration takes."""
    init: Callable[[Key], TrainState]
    collect: Collect
    sample_batch: Callable[[Key, TrainState], PyTree]
    """The data of one policy update, drawn as training draws it: from the log, or from a fresh unroll of the lanes."""
    updates_per_chunk: int = 64
    """How many independent updates are sensibly computed side by side (1 where one update needs a whole unroll)."""

    @property
    def of_networks(self) -> bool:
        """Whether networks, not the simulator, decide what training costs: one update for each step, or light steps."""
        return self.env_steps == 1 or self.env.light

    @property
    def name(self) -> str:
        return self.algorithm.name

    @property
    def update(self) -> Update:
        return self.algorithm.update

    @property
    def policy_update(self) -> PolicyUpdate:
        return self.algorithm.policy_update

    @property
    def act(self) -> Act:
        return self.algorithm.act

    @property
    def explore(self) -> Callable[[Key, Policy, TimeStep, PyTree], tuple[jax.Array, PyTree, PyTree]]:
        return self.algorithm.explore

    @property
    def sample(self) -> Act | None:
        """An action drawn from the policy, where it is a distribution; None where it is not."""
        explore = self.algorithm.explore

        def drawn(key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
            action, memory, _ = explore(key, policy, timestep, memory)
            return action, memory

        return drawn if self.algorithm.is_stochastic else None

    @property
    def init_memory(self) -> Callable[[Key, Policy], PyTree]:
        return self.algorithm.init_memory

    @property
    def period(self) -> int:
        return self.algorithm.period

    @property
    def warm_up_steps(self) -> int:
        return self.algorithm.warm_up_steps

    @property
    def update_kinds(self) -> Mapping[str, UpdateKind]:
        return self.algorithm.update_kinds

    def warm_up(self, key: Key, state: TrainState) -> TrainState:
        """One iteration of uniform random actions, no update."""
        return self.collect(jax.random.split(key)[0], state, uniform=True)[0]

    def train_step(self, key: Key, state: TrainState, phase: int) -> tuple[TrainState, Metrics]:
        """One iteration: `collect`, then `update`."""
        key_collect, key_update = jax.random.split(key)
        state, data, collected = self.collect(key_collect, state)
        learner, metrics = self.update(key_update, state.learner, state.log, data, phase)
        return state._replace(learner=learner), collected | metrics
