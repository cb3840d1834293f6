"""One study: its settings, the names of its runs, and what they hold so far.

Knows run folders and the names of result files; knows no command line of a stage and no claim.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from landscapes import storage
from landscapes.paper import settings
from landscapes.paper.roots import Measured
from landscapes.paper.sizes import SIZES, Size
from landscapes.stages import reading
from landscapes.stages.launch import KEYS as LAUNCH_KEYS
from landscapes.stages.launch import Launch, make_launch
from landscapes.storage import PurdRecord, Run

AMOUNTS = {"td3": "3e-4", "sac": "3e-4", "ppo": "0"}
"""Of the algorithms' own update, as published: TD3's is the learning rate, the others are labels."""

OF_SIZE: dict[str, reading.Read] = {
    **dict.fromkeys(("samples", "ppo_samples", "path_points", "path_samples"), reading.count),
    **dict.fromkeys(("proposals", "walk_samples", "fresh_purds", "num_clones", "clone_steps"), reading.count),
    **dict.fromkeys(("path_checkpoints", "num_roots", "num_pairs"), reading.integer(0)),
}
"""What may be other than the size says; 0 leaves paths, walks or clonings out."""

KEYS: dict[str, reading.Read] = {
    "size": reading.one_of(*SIZES),
    "tasks": settings.tasks,
    "algorithms": reading.several_of(*settings.ALGORITHMS),
    "backend": reading.one_of(*settings.BACKENDS),
    "num_seeds": reading.count,
    **OF_SIZE,
    **LAUNCH_KEYS,
}


@dataclass(frozen=True)
class Study:
    """What was asked for."""

    size_name: str
    size: Size
    tasks: tuple[str, ...]
    algorithms: tuple[str, ...]
    backend: str
    num_seeds: int
    launch: Launch

    @property
    def trainings(self) -> list[tuple[str, str]]:
        """(algorithm, task) of each run that is trained."""
        return [(algorithm, task) for task in self.tasks for algorithm in self.algorithms]

    def run_name(self, algorithm: str, task: str) -> str:
        """What the run is told to be called."""
        return f"{self.launch.name}_{algorithm}_{settings.short(task)}"

    def member(self, name: str) -> str:
        """What a run is called that was told `name`: presets other than the default make a sweep, here of one "
        "member."""
        return name if self.launch.is_default_preset else f"{name}_0"

    def trained(self, algorithm: str, task: str) -> Run | None:
        """The run, None where it is not there yet."""
        return storage.find_run(self.launch.results, self.member(self.run_name(algorithm, task)))

    def steps(self, algorithm: str) -> tuple[int, ...]:
        """The checkpoints that its training will store."""
        return self.size.ppo_steps() if algorithm == "ppo" else self.size.checkpoints

    def samples(self, algorithm: str) -> int:
        """Of each PURD under the algorithm's own update."""
        return self.size.ppo_samples if algorithm == "ppo" else self.size.samples

    def walk_samples(self, algorithm: str) -> int:
        """Of each PURD of a walk."""
        size = self.size
        return min(size.walk_samples, size.ppo_samples) if algorithm == "ppo" else size.walk_samples


def make_study(words: Sequence[str]) -> Study:
    """The study that `key=value` words ask for; raises UserError for the first that does not fit."""
    own, on = reading.given_on(words)
    told = reading.read(own, KEYS)
    size_name = told.get("size", "laptop")
    size = dataclasses.replace(SIZES[size_name], **{key: told[key] for key in OF_SIZE if key in told})
    return Study(
        size_name,
        size,
        tasks=told.get("tasks", size.tasks),
        algorithms=told.get("algorithms", size.algorithms),
        backend=told.get("backend", size.backend),
        num_seeds=told.get("num_seeds", size.num_seeds),
        launch=make_launch(told, f"paper_{size_name}", on),
    )


def own_kind(run: Run) -> str:
    """The kind of neighbourhood that is one update of the run's algorithm."""
    return f"{run.record['algorithm']['name']}_optimization"


def own_purds(run: Run) -> list[PurdRecord]:
    """What was measured under the run's own update at the amount that is its own, named so or by the study's number: of
    each policy the largest."""
    amount = float(AMOUNTS.get(run.record["algorithm"]["name"], "3e-4"))
    largest: dict[storage.PolicyName, PurdRecord] = {}
    for purd in storage.find_measurements(run).purds:
        if purd.kind == own_kind(run) and (purd.amount == storage.OWN_RATE or float(purd.amount) == amount):
            before = largest.get(purd.policy)
            if before is None or purd.num_samples > before.num_samples:
                largest[purd.policy] = purd
    return list(largest.values())


def measured(run: Run) -> list[Measured]:
    """The policies of a run with their returns one update away, in the order of seeds and checkpoints."""
    purds = sorted(own_purds(run), key=lambda purd: purd.policy)
    return [Measured(purd.policy, storage.read_hdf5(purd.path, "run")[0][purd.dataset]) for purd in purds]


def clones_of(results: Path, names: Sequence[str]) -> Iterator[Run]:
    """The runs of clonings that began at a policy of one of these runs."""
    for name in storage.run_names(results):
        run = storage.open_run(results, name, "run")
        if run.record.get("experiment") == "train_bc" and (run.record.get("parent") or {}).get("run") in names:
            yield run
