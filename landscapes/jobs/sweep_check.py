"""What can be known of the members of a sweep before any is launched: the runs that they name, and those they make.

Knows jobs and run folders; no experiment, and imports neither JAX nor a simulator. What several members name is looked
for once.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from landscapes import storage
from landscapes.config.job import Job
from landscapes.errors import UserError
from landscapes.jobs.find_run import Find, at_root, find_run
from landscapes.jobs.run_folder import check_may_go_on, decisive_settings


class SweepCheck:
    """Looks at one member after the other; each method raises UserError for what would make that member fail."""

    def __init__(self, waits: bool) -> None:
        """`waits`: the members begin only after other jobs, which may still make what is not here yet."""
        self.waits = waits
        self._found: dict[tuple[object, ...], storage.Run] = {}
        self._made: dict[tuple[Path, str], dict[str, Any]] = {}

    def find(self, job: Job) -> Find:
        """As `find_run` for this job."""
        results = storage.results_directory(job.results_dir)

        def find(name: str, key: str) -> storage.Run:
            place = (results, name, job.use_wandb, job.wandb.mode, job.wandb.project_name, job.wandb.entity_name)
            if place not in self._found:
                self._found[place] = find_run(job, results, name, key)
            return self._found[place]

        return find

    def at_root(self, job: Job) -> Job:
        """That the policy is stored at which the job begins; the job, told which checkpoint that is."""
        return job if self.waits else at_root(job, self.find(job))[0]

    def new_run(self, job: Job, name: str | None, may_change: Iterable[str] = (), may_grow: str | None = None) -> None:
        """That the run of that name (None: not known yet) can be made or goes on, and that no other member makes it."""
        results = storage.results_directory(job.results_dir)
        storage.check_results_writable(results)
        if name is None:
            return
        settings = decisive_settings(job)
        if self._made.setdefault((results, name), settings) != settings:
            allowed = "two members of the sweep would make this one run; run_name= gives each a name of its own"
            raise UserError("run_name", name, allowed)
        found = None if storage.starts_over(job.overwrite) else storage.find_run(results, name)
        if found is not None:
            check_may_go_on(job, found, may_change, may_grow)
