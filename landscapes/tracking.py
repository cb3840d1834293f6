"""Where metrics go while a job runs: nowhere, or to Weights & Biases, online or on disk for a later `wandb sync`.

Knows wandb and the folder it may write to; knows nothing of what is trained, nor of the HDF5 files that hold results.
wandb is imported only where it is used. No account and no network is needed: without a login runs are kept offline,
and whatever happens to wandb later, one line says so and the job goes on.
"""

import netrc
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import ArrayLike

from landscapes.errors import UserError

STEP_METRIC = "env_step"
"""The metric that is the horizontal axis of every other one."""

_MODES = ("online", "offline", "disabled")
_OLD_MODES = {"dryrun": "offline", "run": "online"}
_WANDB_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
_LARGEST_COPY = 64 * 2**20
"""Bytes; a larger file of an artifact is referred to where it lies, not copied."""
_NEVER_COPIED = re.compile(r"(ckpt|replay)_.*\.h5")
_CONNECT_SECONDS = 60.0
_FINISH_SECONDS = 300.0


class Tracker(Protocol):
    """Takes what a job has to tell while it runs; no method raises because of where it is sent."""

    run_id: str | None
    """The id under which the same run is continued; None where nothing is recorded."""
    where: str
    """One line for the user: an address, or the command that uploads the run."""

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Records `metrics` at environment step `step`; steps may repeat or come out of order, values may be nan."""

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Records the distribution of `values` (any shape) at environment step `step`."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Sets numbers or words that describe the whole run."""

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Records files that the run has written, as one named and typed set."""

    def finish(self, failed: bool = False) -> None:
        """Ends the recording; nothing is taken afterwards."""


class SilentTracker:
    """Takes everything and keeps nothing."""

    run_id: str | None = None
    where = "not recorded"

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Does nothing."""

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Does nothing."""

    def summary(self, values: Mapping[str, Any]) -> None:
        """Does nothing."""

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        """Does nothing."""

    def finish(self, failed: bool = False) -> None:
        """Does nothing."""


class WandbTracker:
    """A wandb run. What goes wrong is said in one line on stderr; then it is silent, unless only an artifact failed.

    Small files of an artifact are copied into `directory`/wandb; checkpoints, replay segments and files over 64 MB
    are recorded as references (`file://`, no checksum), so that nothing big is ever copied or read.
    """

    def __init__(self, run: Any, directory: Path, belongs_to: str | None = None) -> None:
        """`belongs_to` is the id of the run that this one's data is to join when it is synced, if not its own."""
        self._run = run
        self._directory = directory
        self.run_id: str | None = belongs_to or run.id
        sync = f"wandb sync --id {belongs_to}" if belongs_to not in (None, run.id) else "wandb sync"
        self.where: str = f"{sync} {Path(run.dir).parent}" if run.offline else str(run.url)

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        values = {name: float(value) for name, value in metrics.items()}
        self._try("log", lambda run: run.log({**values, STEP_METRIC: int(step)}))

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Also records `{name}/num_not_finite` where there are such values, as a histogram cannot hold them."""
        flat = np.ravel(np.asarray(values, np.float64))
        finite = flat[np.isfinite(flat)]
        num_not_finite = flat.size - finite.size

        def send(run: Any) -> None:
            import wandb

            row: dict[str, Any] = {STEP_METRIC: int(step)}
            if finite.size:
                row[name] = wandb.Histogram(finite.tolist())
            if num_not_finite:
                row[f"{name}/num_not_finite"] = num_not_finite
            run.log(row)

        self._try("histogram", send)

    def summary(self, values: Mapping[str, Any]) -> None:
        plain = _plain(values)
        self._try("summary", lambda run: run.summary.update(plain))

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        files = [Path(path) for path in paths]

        def send(run: Any) -> None:
            import wandb

            artifact = wandb.Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128], type)
            with _contained(self._directory):
                for path in files:
                    self._add(artifact, path)
                run.log_artifact(artifact)

        self._try("artifact", send, ends_recording=False)

    def finish(self, failed: bool = False) -> None:
        self._try("finish", lambda run: run.finish(exit_code=int(failed)))
        self._run = None

    def _add(self, artifact: Any, path: Path) -> None:
        path = path.resolve()
        root = self._directory.resolve()
        name = str(path.relative_to(root)) if path.is_relative_to(root) else path.name
        if _NEVER_COPIED.fullmatch(path.name) or path.stat().st_size > _LARGEST_COPY:
            artifact.add_reference(path.as_uri(), name=name, checksum=False)
        else:
            # A copy, as the file may be replaced by a newer one before the run is synced.
            artifact.add_file(str(path), name=name, policy="mutable", skip_cache=True)

    def _try(self, what: str, send: Callable[[Any], None], ends_recording: bool = True) -> None:
        if self._run is None:
            return
        try:
            send(self._run)
        except Exception as error:  # whatever a logging service raises, hours of training are worth more
            if ends_recording:
                self._run = None
            lost = "no longer records this run" if ends_recording else "did not take all of this run"
            _warn(f"wandb {lost} ({what}: {_one_line(error)}); the job goes on")


def make_tracker(
    use_wandb: bool,
    mode: str | None,
    project: str,
    entity: str | None,
    name: str,
    group: str | None,
    config: Mapping[str, Any],
    directory: Path,
    run_id: str | None,
    job_type: str,
) -> Tracker:
    """A tracker for one run, several of which may live in one process.

    `mode` is "online", "offline" or "disabled"; None means `$WANDB_MODE` where it is set, else online where there is
    a login (`$WANDB_API_KEY` or an entry in the netrc file), else offline. With `run_id` a run is continued. All that
    wandb writes goes below `directory`/wandb, `$WANDB_CACHE_DIR` and `$WANDB_DATA_DIR` permitting.

    Where the server cannot be reached the run is kept offline, and where wandb cannot start at all nothing is
    recorded; one line says which. Raises UserError for another mode, and for online without a login.
    """
    if not use_wandb:
        return SilentTracker()
    mode = _resolve_mode(mode)
    if mode == "disabled":
        return SilentTracker()

    def start(attempt: str) -> WandbTracker:
        run = _start_run(
            mode=attempt,
            project=project,
            entity=entity,
            name=name,
            group=group,
            config=_plain(config),
            dir=str(directory),
            # The service that failed to reach the server still holds the id: the data joins that run when synced.
            id=run_id if attempt == mode else None,
            job_type=job_type,
        )
        return WandbTracker(run, directory, belongs_to=run_id)

    for attempt in dict.fromkeys((mode, "offline")):
        try:
            with _contained(directory):
                return start(attempt)
        except Exception as error:
            _warn(f"wandb could not start {attempt} ({_one_line(error)})")
    return SilentTracker()


def _start_run(**arguments: Any) -> Any:
    """A wandb run that prints nothing, copies no code, makes no links and has `env_step` as its axis."""
    import wandb

    directory = Path(arguments["dir"])
    directory.mkdir(parents=True, exist_ok=True)
    settings = wandb.Settings(
        silent=True,
        console="off",
        symlink=False,
        save_code=False,
        disable_code=True,
        disable_git=True,  # the run's own record holds the git state; wandb would store patches of the code
        init_timeout=_CONNECT_SECONDS,
        login_timeout=1.0,
        finish_timeout=_FINISH_SECONDS,
    )
    run = wandb.init(**arguments, reinit="create_new", resume="allow", allow_val_change=True, settings=settings)
    run.define_metric(STEP_METRIC)
    run.define_metric("*", step_metric=STEP_METRIC)
    return run


def _resolve_mode(mode: str | None) -> str:
    """One of `_MODES`; raises UserError for anything else, and for online without a login."""
    key = "wandb.mode"
    asked = mode
    if asked is None and os.environ.get("WANDB_MODE"):
        key, asked = "WANDB_MODE", os.environ["WANDB_MODE"].lower()
        asked = _OLD_MODES.get(asked, asked)
    if asked is None:
        return "online" if has_login() else "offline"
    if asked not in _MODES:
        raise UserError(key, asked, f"must be one of {', '.join(_MODES)}")
    if asked == "online" and not has_login():
        # Said now: wandb itself would ask at the terminal, or fail after everything else was set up.
        raise UserError(key, asked, "needs a login; run `wandb login`, set WANDB_API_KEY, or choose offline")
    return asked


def has_login() -> bool:
    """Whether wandb would find a key, by environment variable or by netrc entry for its server."""
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    server = urlsplit(os.environ.get("WANDB_BASE_URL", "")).netloc
    hosts = (server,) if server and server not in _WANDB_HOSTS else _WANDB_HOSTS
    for path in [os.environ.get("NETRC") or "~/.netrc", "~/_netrc"]:
        try:
            entries = netrc.netrc(Path(path).expanduser()).hosts
        except (OSError, netrc.NetrcParseError):
            continue
        if any(entries.get(host, ("", "", ""))[2] for host in hosts):
            return True
    return False


@contextmanager
def _contained(directory: Path) -> Iterator[None]:
    """Lets wandb stage and log below `directory`/wandb and not in the user's home, unless told where by them."""
    wanted = {name: str(directory / "wandb") for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR")}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


def _plain(value: Any) -> Any:
    """`value` with paths as words, and arrays and their scalars as Python numbers, as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
