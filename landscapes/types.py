"""The records everything else speaks in: time steps, policies, training states, and the two contracts.

Knows pytrees only; no environment, no network, no algorithm and no file.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Protocol

import jax

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


class Experience(NamedTuple):
    """What only `train_step` advances.

    `log` is a `Replay` that is stored once per seed as a growing prefix (or `()`); `snapshot` is everything else and
    goes into every checkpoint: environment states, last time steps, counters.
    """

    log: PyTree
    snapshot: PyTree


class TrainState(NamedTuple):
    """`learner` is small and changed by updates (its field `policy` acts); `experience` is large, they only read it."""

    learner: Any
    experience: Experience


class Reset(Protocol):
    def __call__(self, key: Key, start_noise: float | jax.Array = 1.0) -> tuple[PyTree, TimeStep]:
        """A fresh environment state and its first time step; `start_noise` scales the environment's own start noise."""


class Environment(NamedTuple):
    """A pure environment: two traceable functions of single (unbatched) states, and its sizes.

    `step` truncates after `episode_length` steps and never resets by itself. Actions are clipped to [-1, 1] inside.
    Where `scales_start_noise` is false, `start_noise` is ignored and the start is drawn as the simulator draws it.
    An environment whose roll-outs can be shown in three dimensions has `pose` and `scene`.
    """

    name: str
    backend: str
    reset: Reset
    step: Callable[[PyTree, jax.Array], tuple[PyTree, TimeStep]]
    observation_size: int
    action_size: int
    episode_length: int
    scales_start_noise: bool = True
    pose: Callable[[PyTree], tuple[jax.Array, jax.Array]] | None = None
    """Where the links of a state are: positions `[num_links, 3]` in metres, rotations `[num_links, 4]` as unit
    quaternions, the real part first."""
    scene: Callable[[], dict[str, Any]] | None = None
    """What to draw at those places, ready for JSON; docs/files.md says how."""


class PolicyUpdate(Protocol):
    def __call__(
        self, key: Key, learner: Any, batch: PyTree, learning_rate: jax.Array | None = None
    ) -> tuple[Any, Metrics]:
        """The learner after exactly one optimizer step on the policy.

        `learning_rate` is traced; None is the learner's own.
        """


class Act(Protocol):
    def __call__(self, key: Key, policy: Policy, timestep: TimeStep, memory: PyTree) -> tuple[jax.Array, PyTree]:
        """An action `[action_size]` and the next memory."""


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


class Collect(Protocol):
    def __call__(
        self, key: Key, state: TrainState, uniform: bool | jax.Array = False
    ) -> tuple[TrainState, PyTree, Metrics]:
        """The environment steps of one iteration: the state with more experience, the data `update` needs besides
        (`()` if it draws from the log), and metrics. `uniform` (may be traced) asks for uniform random actions."""


class Update(Protocol):
    def __call__(self, key: Key, state: TrainState, data: PyTree, phase: int) -> tuple[Any, Metrics]:
        """The learner after the updates of one iteration; `phase` is a Python int in range(period)."""


class Algorithm(NamedTuple):
    """One learning algorithm as pure functions, bound to its config and its environment's sizes.

    Every function works on one member (no seed axis); seeds and samples are mapped over from outside. An iteration is
    `collect`, which alone touches the environment, followed by `update`, which alone changes the learner.
    """

    name: str
    init: Callable[[Key], TrainState]
    collect: Collect
    update: Update
    sample_batch: Callable[[Key, TrainState], PyTree]
    """The data of one policy update, drawn as training draws it; reads only."""
    policy_update: PolicyUpdate
    act: Act
    """The mode, for measuring."""
    explore: Callable[[Key, Policy, TimeStep, PyTree], tuple[jax.Array, PyTree, PyTree]]
    """An action as in training, the next memory, and extras (log-probability, where there is one)."""
    init_memory: Callable[[Key, Policy], PyTree] = no_memory
    period: int = 1
    """How many successive iterations differ statically (the delay of TD3)."""
    env_steps: int = 1
    """The most environment steps one iteration takes."""
    warm_up_steps: int = 0
    """How many iterations of uniform random actions without an update come first."""
    updates_per_chunk: int = 64
    """How many independent updates are sensibly computed side by side (1 where one update needs a whole roll-out)."""
    update_kinds: Mapping[str, UpdateKind] = {}
    """The published names of perturbations by one update that this algorithm answers to."""

    def warm_up(self, key: Key, state: TrainState) -> TrainState:
        """One iteration of uniform random actions, no update."""
        return self.collect(jax.random.split(key)[0], state, uniform=True)[0]

    def train_step(self, key: Key, state: TrainState, phase: int) -> tuple[TrainState, Metrics]:
        """One iteration: `collect`, then `update`."""
        key_collect, key_update = jax.random.split(key)
        state, data, collected = self.collect(key_collect, state)
        learner, metrics = self.update(key_update, state, data, phase)
        return state._replace(learner=learner), collected | metrics
