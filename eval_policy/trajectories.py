"""Roll-outs of neighbours, recorded for the report's viewer: near the median, and of the lowest returns.

Knows the job's settings, the file and how a re-run is checked; leaves rolling out to `landscapes.studies.trajectories`.
"""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from landscapes import storage
from landscapes.config.job import Job
from landscapes.errors import UserError
from landscapes.studies import trajectories
from landscapes.studies.measurement import Measure
from landscapes.types import Environment, TrainState

SCHEMA_VERSION = 1

CHOICES = {"median": trajectories.nearest_to_median, "left_tail": trajectories.lowest}
"""Which samples are recorded, by the role that names them in the file."""


class Recording(NamedTuple):
    """Of which roll-outs some are recorded, and how many."""

    kind: str
    num_samples: int
    episode_length: int
    num_recorded: int
    """Of the median and of the left tail each."""


class Recorder:
    """Records what the job asks for; nothing where that is nothing."""

    def __init__(
        self,
        job: Job,
        stored: storage.Run,
        recording: Recording,
        env: Environment,
        measures: Mapping[bool, Measure],
    ) -> None:
        """Of the `measures` of the job, by whether the amount sets the rate. Raises UserError where `env` cannot be
        shown."""
        self._job, self._stored, self._recording = job, stored, recording
        self._measures = measures
        self._records: dict[bool, trajectories.Record] = {}
        self._scene: dict[str, Any] | None = None
        if not recording.num_recorded:
            return
        self._scene = trajectories.scene_of(env)
        if self._scene is None:
            allowed = f"must be 0: {env.name} shows nothing (pose and scene of an Environment, or its frame)"
            raise UserError("experiment.record_trajectories", recording.num_recorded, allowed)
        self._records = {rate: trajectories.make_record(env, measure) for rate, measure in measures.items()}

    def record(
        self,
        seed: int,
        step: int,
        amount: float | None,
        rate: bool,
        returns: np.ndarray,
        state_of: Callable[[int, int], TrainState],
    ) -> list[Path]:
        """The file with the roll-outs of samples of the PURD `returns` `[n]`; none where nothing new is recorded.

        Warns in one line of samples whose return did not come again.
        """
        s = self._recording
        if rate not in self._records:
            return []
        path = self._stored.trajectories_path(seed, step)
        base = f"{s.kind}/{storage.amount_name(amount)}/{s.num_samples}"
        chosen = {
            f"{base}/{role}{rank}": sample
            for role, choose in CHOICES.items()
            for rank, sample in enumerate(choose(returns, s.num_recorded))
        }
        if not storage.starts_over(self._job.overwrite) and _recorded_before(path, chosen, returns, self._stored):
            return []
        key = jax.random.key(self._job.random_seed)
        made = self._records[rate](key, state_of(seed, step), amount, returns, list(chosen.values()))
        by_group = dict(zip(chosen, made, strict=True))
        _warn(f"{path.name}: {base}", made, returns)
        return [self._write(path, seed, step, by_group, returns, self._measures[rate].program_shape)]

    def _write(
        self,
        path: Path,
        seed: int,
        step: int,
        by_group: Mapping[str, trajectories.Trajectory],
        returns: np.ndarray,
        program_shape: Mapping[str, Any],
    ) -> Path:
        scene = self._scene
        assert scene is not None
        storage.check_still_there(self._stored)
        datasets: dict[str, np.ndarray] = {"scene": np.array(json.dumps(scene))}
        attributes: dict[str, dict[str, Any]] = {
            "scene": {"axes": "", "units": "JSON: metres, unit quaternions with the real part first, pixels, seconds"}
        }
        for group, one in by_group.items():
            named = {name: (values, *trajectories.SEEN[name]) for name, values in one.seen.items()}
            named["rewards"] = (one.rewards, "step", "reward of each step")
            for name, (values, axes, units) in named.items():
                datasets[f"{group}/{name}"] = values if values.dtype == np.uint8 else values.astype(np.float32)
                attributes[f"{group}/{name}"] = {"axes": axes, "units": units}
            attributes[group] = {
                "sample": one.sample,
                "return": one.episode_return,
                "rerun_return": one.sample_return,
                "stored_return": float(returns[one.sample]),
                "terminated": one.terminated,
                "seconds_per_step": scene["seconds_per_step"],
                "random_seed": self._job.random_seed,
                "keys": "sample i draws from fold_in(key(random_seed), i)",
                "episode_length": self._recording.episode_length,
                "program_shape": program_shape,
                "config": self._job.resolved,
                storage.STANDS_ON: storage.footing([(self._stored, seed, step)]),
            }
        about = {
            "schema_version": SCHEMA_VERSION,
            "seed": seed,
            "ckpt": step,
            **self._stored.provenance(),
        }
        return storage.merge_hdf5(path, datasets, about, attributes)


def _recorded_before(path: Path, chosen: Mapping[str, int], returns: np.ndarray, run: storage.Run) -> bool:
    """Whether the file holds these samples of this very distribution of this very run."""
    if not path.exists():
        return False
    _, attributes = storage.read_hdf5_nodes(path, "file")
    return all(
        (about := attributes.get(group, {})).get("sample") == sample
        and about.get("stored_return") == float(returns[sample])
        and storage.replaced_run(about.get(storage.STANDS_ON), [run]) is None
        for group, sample in chosen.items()
    )


def _warn(where: str, made: list[trajectories.Trajectory], returns: np.ndarray) -> None:
    """One line for samples that came out otherwise than they were measured."""
    others = sorted({one.sample for one in made if one.sample_return != float(returns[one.sample])})
    if others:
        print(
            f"warning: {where}: samples {', '.join(map(str, others))} return something else now; contacts amplify "
            "rounding, which is another for another batch_size, machine or version (both returns are stored)"
        )
