"""A tracker that is wandb: one run, or one for each seed; online where a server answers, else on disk.

Knows how wandb is started, and what is done where it cannot be; knows nothing of what is recorded. No account and no
network is needed: without a login runs are kept offline.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from landscapes.tracking.tracker import STEP_METRIC, SilentTracker, Told, Tracker, one_line, warn
from landscapes.tracking.wandb_login import contained, resolve_mode, wandb_package, why_silent
from landscapes.tracking.wandb_pieces import mend_pieces
from landscapes.tracking.wandb_seeds import WandbSeeds
from landscapes.tracking.wandb_tracker import Complaint, WandbTracker, plain

_CONNECT_SECONDS = 15.0
"""How long a server that did answer may take to begin a run."""
_FLUSH_SECONDS = 1.0
"""A job that is killed loses so much of what it told wandb."""
_UPLOAD_SECONDS = 20.0
"""How long wandb may take at the end to upload what it still has."""


@dataclass(frozen=True)
class WandbWanted:
    """Where and how wandb is to record."""

    project: str
    entity: str | None = None
    mode: str | None = None
    """online, offline or disabled; None: `$WANDB_MODE` where it is set, else online where there is a login
    (`$WANDB_API_KEY` or an entry in the netrc file), else offline."""
    per_seed: bool = False
    """One run for each seed that the job tells of by name."""


def start_wandb(wanted: WandbWanted, told: Told) -> Tracker:
    """A tracker that is wandb; several may live in one process.

    With `told.run_id` what that tracker recorded is continued. All that wandb writes goes below
    `told.directory`/wandb, `$WANDB_CACHE_DIR` and `$WANDB_DATA_DIR` permitting. Where the server gives no answer the
    run is kept offline, and where wandb cannot start at all nothing is recorded; one line says which. Raises UserError
    for another mode, and for online without a login.
    """
    mode = resolve_mode(True, wanted.mode)
    if mode == "disabled":
        return SilentTracker()
    if mode == "online":
        try:
            with contained(told.directory):
                reason = why_silent()
        except Exception as error:  # wandb itself does not start
            reason = one_line(error)
        if reason:
            warn(f"wandb does not answer ({reason}); this run is recorded offline")
            mode = "offline"
    starter = _Starter(wanted, told, mode)
    if not (wanted.per_seed and told.seeds):
        return starter.start(told.name, told.group, told.config, told.run_id) or SilentTracker()
    shared_id = told.run_id or secrets.token_hex(4)
    seeds: dict[int, WandbTracker] = {}
    complaint = Complaint()
    for seed in told.seeds:
        about = {**told.config, "seed": seed}
        tracker = starter.start(f"{told.name}-seed{seed}", told.name, about, f"{shared_id}-seed{seed}", complaint)
        if tracker is None:  # what one cannot do, none can
            for other in seeds.values():
                other.finish()
            return SilentTracker()
        seeds[seed] = tracker
    return WandbSeeds(seeds, shared_id, told.name)


class _Starter:
    """Starts runs in one mode, or offline from the first one on that cannot be."""

    def __init__(self, wanted: WandbWanted, told: Told, mode: str) -> None:
        self._wanted, self._told, self._mode = wanted, told, mode

    def start(
        self,
        name: str,
        group: str | None,
        config: Mapping[str, Any],
        run_id: str | None,
        complaint: Complaint | None = None,
    ) -> WandbTracker | None:
        """A run; None, after a line about it, where wandb cannot start."""
        directory, id_held = self._told.directory, False
        for mode in dict.fromkeys((self._mode, "offline")):
            try:
                with contained(directory):
                    run = _start_run(
                        mode=mode,
                        project=self._wanted.project,
                        entity=self._wanted.entity,
                        name=name,
                        group=group,
                        config=plain(config),
                        dir=str(directory),
                        # The service that failed to reach the server still holds the id: the data joins that run when
                        # synced.
                        id=None if id_held else run_id,
                        # A resumed run is sent behind what the server has of it, any other from its start, and so may
                        # be sent again.
                        resume="allow" if self._told.run_id and not id_held else None,
                        job_type=self._told.job_type,
                    )
                    return WandbTracker(run, directory, belongs_to=run_id, complaint=complaint)
            except Exception as error:
                warn(f"wandb could not start {mode} ({one_line(error)})")
                self._mode, id_held = "offline", True
        return None


def _start_run(**arguments: Any) -> Any:
    """A wandb run that prints nothing, copies no code, makes no links and has `env_step` as its axis."""
    wandb = wandb_package()
    directory = Path(arguments["dir"])
    directory.mkdir(parents=True, exist_ok=True)
    if arguments["id"]:
        mend_pieces(directory, arguments["id"])
    settings = wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        save_code=False,
        disable_code=True,
        disable_git=True,  # the run's own record holds the git state; wandb would store patches of the code
        init_timeout=_CONNECT_SECONDS,
        login_timeout=1.0,
        finish_timeout=_UPLOAD_SECONDS,
        finish_timeout_raises=True,
        x_transaction_log_flush_interval=_FLUSH_SECONDS,
    )
    run = wandb.init(**arguments, reinit="create_new", allow_val_change=True, settings=settings)
    run.define_metric(STEP_METRIC)
    run.define_metric("*", step_metric=STEP_METRIC)
    return run
