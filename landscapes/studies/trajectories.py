"""Samples of a PURD rolled out once more, with what is to be seen written down at each step: poses, or pictures.

Knows measurements and what an environment shows of a state; knows no file, and nothing of how it is played.

The samples are drawn, and their returns computed, by the very programs that measured them: a program that also wrote
poses down would round differently, and contacts amplify rounding until another episode comes of it. So the engine
advances one round at a time, and a second program repeats that round from the same state to see the poses. What it
rounds differently never lasts longer than one round.

Not even the lanes of one program all round alike: compilers treat the last ones of a loop in their own way. So a sample
is rolled out in all lanes at once, and one in which its return is the measured one is watched.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from landscapes.experience import rollout
from landscapes.machine import devices
from landscapes.studies import measurement
from landscapes.studies.neighborhood import traced
from landscapes.types import Environment, Key, Policy, PyTree, TrainState

_ROUNDS = 10
"""Rounds between two looks at whether all copies have ended."""


class Trajectory(NamedTuple):
    """One roll-out of T steps. Where a sample has several episodes it is the first of them."""

    sample: int
    seen: dict[str, np.ndarray]
    """After each step, by the names of `SEEN`: `positions` and `rotations`, or `frames`."""
    rewards: np.ndarray
    """`[T]`."""
    terminated: bool
    """Whether the task ended it, and not the time limit."""
    episode_return: float
    """Undiscounted, of this roll-out."""
    sample_return: float
    """What a PURD would hold of it: the mean over the sample's episodes where it has several."""


SEEN = {
    "positions": ("step,link,xyz", "metres, after each step"),
    "rotations": ("step,link,wxyz", "unit quaternions, after each step"),
    "frames": ("step,row,column,rgb", "0 to 255, after each step"),
}
"""What may be seen of a state, with its axes and units: the links of a body `[T, num_links, 3 and 4]`, or a picture
`[T, height, width, 3]` uint8."""


def scene_of(env: Environment) -> dict[str, Any] | None:
    """What a file says once of how roll-outs are shown; None for an environment that shows nothing.

    Where links have poses that is what to draw there; else the size of a picture, and how long it is shown.
    """
    if env.pose is not None and env.scene is not None:
        return env.scene()
    if env.frame is None:
        return None
    state, _ = jax.eval_shape(env.reset, jax.random.key(0))
    height, width, _ = jax.eval_shape(env.frame, state).shape
    return {"picture": [height, width], "seconds_per_step": round(env.seconds_per_step, 6)}


Record = Callable[[Key, TrainState, float | None, np.ndarray, Sequence[int]], list[Trajectory]]
"""`record(key, state, amount, returns, samples)`: trajectories of samples of the PURD `returns` `[n]`, in their order.
Where a measured return did not come again, `sample_return` differs from it."""


def nearest_to_median(returns: np.ndarray, num: int) -> list[int]:
    """The indices of the `num` samples of returns `[n]` that are nearest to their median, the nearest first; of those
    that are finite."""
    finite = np.flatnonzero(np.isfinite(returns))
    away = np.abs(returns[finite] - np.median(returns[finite])) if len(finite) else finite
    return [int(index) for index in finite[np.argsort(away, kind="stable")][:num]]


def lowest(returns: np.ndarray, num: int) -> list[int]:
    """The indices of the `num` lowest of returns `[n]`, the lowest first; of those that are finite."""
    finite = np.flatnonzero(np.isfinite(returns))
    return [int(index) for index in finite[np.argsort(returns[finite], kind="stable")][:num]]


class _Place(NamedTuple):
    """Where a sample lies: on which device, and in which row of its share of the block."""

    sample: int
    device: int
    row: int


def make_record(env: Environment, measure: measurement.Measure) -> Record:
    """How samples of `measure` are rolled out again; raises ValueError where `env` shows nothing."""
    again = measure.again
    programs = _compile(env, again)

    def copies_of(
        policies: Policy, episodes: rollout.Episodes, amount: jax.Array, places: Sequence[_Place]
    ) -> tuple[rollout.Episodes, rollout.EngineState]:
        """A list of episodes that holds the sample at each of `places` as often as the lanes there take it."""
        order, counts = _copies(places, episodes.keys.shape[1], again)
        return programs.choose(episodes, policies, amount, order, counts)

    def returns_of(running: rollout.EngineState, listed: rollout.Episodes, policies: Policy, amount: jax.Array) -> Any:
        """The returns of all episodes of the list, `[devices, num_copies, episodes]`."""
        total = int(np.asarray(listed.num_episodes).sum())
        while int(np.asarray(running.num_finished).sum()) < total:
            running = again.advance(running, listed, policies, amount, np.int32(_ROUNDS))
        num = _num_copies(again) * again.episodes
        return np.asarray(running.results.returns)[:, :num].reshape(again.devices, -1, again.episodes)

    def watch_lanes(
        running: rollout.EngineState, listed: rollout.Episodes, policies: Policy, amount: jax.Array, lanes: np.ndarray
    ) -> rollout.Watched:
        """What happens in lane `lanes[d]` of each device d, until the episodes there end: `[devices, T, ...]`."""
        rounds: list[rollout.Watched] = []
        ranks = np.arange(again.devices)
        while (going := np.asarray(running.episode)[ranks, lanes] == lanes).any():
            seen = jax.tree.map(np.asarray, programs.watch(running, listed, policies, amount, lanes))
            rounds.append(seen._replace(lived=seen.lived & going[:, None]))
            running = again.advance(running, listed, policies, amount, np.int32(1))
        return jax.tree.map(lambda *parts: np.concatenate(parts, axis=1), *rounds)

    def record_pass(
        policies: Policy, episodes: rollout.Episodes, amount: jax.Array, places: Sequence[_Place], returns: np.ndarray
    ) -> Iterator[Trajectory]:
        """The samples at these places, at most one on each device."""
        listed, running = copies_of(policies, episodes, amount, places)
        of_episodes = returns_of(running, listed, policies, amount)
        of_samples = _mean(of_episodes)
        # As many episodes as there are lanes begin at once, so that an episode's place in the list is its lane.
        lanes = np.zeros(again.devices, np.int32)
        for sample, device, _ in places:
            lanes[device] = np.argmax(of_samples[device] == returns[sample]) * again.episodes
        listed, running = copies_of(policies, episodes, amount, places)
        seen = watch_lanes(running, listed, policies, amount, lanes)
        for sample, device, _ in places:
            copy = lanes[device] // again.episodes
            own = float(of_episodes[device, copy, 0]), float(of_samples[device, copy])
            yield _trajectory(sample, jax.tree.map(lambda x, device=device: x[device], seen), *own)

    def record(
        key: Key, state: TrainState, amount: float | None, returns: np.ndarray, samples: Sequence[int]
    ) -> list[Trajectory]:
        made: dict[int, Trajectory] = {}
        for first in range(0, again.num_samples, again.block):
            size = min(again.block, again.num_samples - first)
            passes = _passes(sorted({sample for sample in samples if first <= sample < first + size}), first, again)
            if passes:
                policies, episodes = again.begin(key, state, traced(amount), first, size)
            for places in passes:
                for one in record_pass(policies, episodes, traced(amount), places, returns):
                    made[one.sample] = one
        return [made[sample] for sample in samples]

    return record


class _Programs(NamedTuple):
    """`choose` begins a list of other episodes; `watch` tells what a lane of each device does in the next round."""

    choose: Callable[..., tuple[rollout.Episodes, rollout.EngineState]]
    watch: Callable[..., rollout.Watched]


def _compile(env: Environment, again: measurement.Again) -> _Programs:
    look = _look(env)

    def choose(
        episodes: rollout.Episodes, policies: Policy, amount: jax.Array, order: jax.Array, count: jax.Array
    ) -> Any:
        mine, rows = devices.own(episodes), devices.own(order)
        mine = mine._replace(
            policy_index=mine.policy_index[rows],
            start_index=mine.start_index[rows],
            keys=mine.keys[rows],
            num_episodes=devices.own(count),
        )
        lanes = again.engine(amount).begin(mine._replace(policies=devices.own(policies)))
        return devices.alone((mine, lanes))

    def watch(
        running: rollout.EngineState, episodes: rollout.Episodes, policies: Policy, amount: jax.Array, lane: jax.Array
    ) -> Any:
        mine = devices.own(episodes)._replace(policies=devices.own(policies))
        return devices.alone(again.engine(amount).watch(devices.own(running), mine, look, devices.own(lane)))

    num = again.devices
    return _Programs(
        jax.jit(devices.spread(choose, num, (0, 0, None, 0, 0))),
        jax.jit(devices.spread(watch, num, (0, 0, 0, None, 0))),
    )


def _look(env: Environment) -> Callable[[PyTree], dict[str, jax.Array]]:
    """What is seen of a state, by the names of `SEEN`; as `scene_of` has it."""
    pose, frame = env.pose, env.frame
    if pose is not None and env.scene is not None:
        return lambda state: dict(zip(("positions", "rotations"), pose(state), strict=True))
    if frame is None:
        raise ValueError(f"{env.name} shows nothing: neither pose and scene, nor frame")
    return lambda state: {"frames": frame(state)}


def _passes(samples: Sequence[int], first: int, again: measurement.Again) -> list[list[_Place]]:
    """The places of the samples of a block that begins at `first`, dealt so that a device has one at a time."""
    passes: list[list[_Place]] = []
    num_dealt = [0] * again.devices
    for sample in samples:
        row, device = divmod(sample - first, again.devices)
        place = _Place(sample, device, row)
        turn = num_dealt[place.device]
        passes += [[]] * (turn == len(passes))
        passes[turn] = [*passes[turn], place]
        num_dealt[place.device] += 1
    return passes


def _num_copies(again: measurement.Again) -> int:
    """How often a sample with all of its episodes goes into the lanes; once where they do not even hold it once."""
    return max(1, again.lanes // again.episodes)


def _copies(places: Sequence[_Place], num_listed: int, again: measurement.Again) -> tuple[np.ndarray, np.ndarray]:
    """Which of the listed episodes come first `[devices, num_listed]`, and how many are rolled out `[devices]`."""
    num = _num_copies(again) * again.episodes
    order = np.zeros((again.devices, num_listed), np.int32)
    counts = np.zeros(again.devices, np.int32)
    for _, device, row in places:
        order[device, :num] = row * again.episodes + np.arange(num) % again.episodes
        counts[device] = num
    return order, counts


def _mean(returns: np.ndarray) -> np.ndarray:
    """Over the episodes of a sample `[..., episodes]`, as a PURD has it."""
    return returns[..., 0] if returns.shape[-1] == 1 else returns.mean(axis=-1, dtype=np.float64).astype(np.float32)


def _trajectory(sample: int, seen: rollout.Watched, episode_return: float, sample_return: float) -> Trajectory:
    lived = np.asarray(seen.lived)
    return Trajectory(
        sample=sample,
        seen={name: values[lived] for name, values in seen.seen.items()},
        rewards=np.asarray(seen.reward)[lived],
        terminated=bool(seen.terminated[lived][-1]),
        episode_return=episode_return,
        sample_return=sample_return,
    )
