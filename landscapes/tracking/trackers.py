"""Where metrics go while a job runs: nowhere, or to Weights & Biases, online or on disk for a later `wandb sync`.

Knows wandb and the folder it may write to; knows nothing of what is trained, nor of the HDF5 files that hold results.
wandb is imported only where it is used. No account and no network is needed: without a login runs are kept offline,
and whatever happens to wandb later, one line says so and the job goes on. The job never waits for wandb while it runs,
and at its start and end for so long only as is said below.
"""

import http.client
import netrc
import os
import queue
import re
import ssl
import struct
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import ArrayLike

from landscapes import commands
from landscapes.errors import UserError

STEP_METRIC = "env_step"
"""The metric that is the horizontal axis of every other one."""

_MODES = ("online", "offline", "disabled")
_OLD_MODES = {"dryrun": "offline", "run": "online"}
_WANDB_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
_LARGEST_COPY = 64 * 2**20
"""Bytes; a larger file of an artifact is referred to where it lies, not copied."""
_NEVER_COPIED = re.compile(r"(ckpt|replay)_.*\.h5")
_FILE_HEADER = 7
_BLOCK = 32 * 1024
_PART = struct.Struct("<IHB")
"""Checksum, length, kind."""
_LAST_PARTS = (1, 4)
"""Kinds of parts with which a record ends: a whole one, and the last of several."""
_STOPS = (KeyboardInterrupt, SystemExit)
"""What a request to stop raises: our own `Stopped`, or a scheduler's handler that has put the job into its queue."""
_ANSWER_SECONDS = 4.0
"""A server that has not answered in this time is left alone."""
_CONNECT_SECONDS = 15.0
"""How long one that did answer may take to begin a run."""
_FLUSH_SECONDS = 1.0
"""A job that is killed loses so much of what it told wandb."""
_UPLOAD_SECONDS = 20.0
"""How long wandb may take at the end to upload what it still has."""
_FINISH_SECONDS = 30.0
"""The longest that a job waits at its end, whatever wandb is doing."""


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

    def finish(self, error: BaseException | None = None) -> None:
        """Ends the recording; nothing is taken afterwards. `error` is what ended the job, if it has not come to its
        end: a request to stop leaves the run as one that will go on, anything else as one that failed."""


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

    def finish(self, error: BaseException | None = None) -> None:
        """Does nothing."""


class WandbTracker:
    """A wandb run. What goes wrong is said once, in one line on stderr; if only an artifact failed it goes on.

    A thread tells wandb, so that the job never waits: not for a server that hangs, not for wandb itself. Small files
    of an artifact are copied into `directory`/wandb; checkpoints, replay segments and files over 64 MB are recorded as
    references (`file://`, no checksum), so that nothing big is ever copied or read.
    """

    def __init__(self, run: Any, directory: Path, belongs_to: str | None = None) -> None:
        """`belongs_to` is the id of the run that this one's data is to join when it is synced, if not its own."""
        self._run = run
        self._directory = directory
        self.run_id: str | None = belongs_to or run.id
        self._folder = Path(run.dir).parent
        self._offline = bool(run.offline)
        if belongs_to not in (None, run.id):
            self.where = commands.line(["wandb", "sync", "--id", belongs_to, self._folder])
        else:  # the whole folder: a run that went on has a piece there for each time
            self.where = commands.line(["wandb", "sync", self._folder.parent]) if self._offline else str(run.url)
        self._said = False
        self._messages: queue.SimpleQueue[_Message | None] = queue.SimpleQueue()
        self._teller = threading.Thread(target=self._tell_all, name="wandb", daemon=True)
        self._teller.start()

    def log(self, metrics: Mapping[str, float], step: int) -> None:
        row = {**{name: float(value) for name, value in metrics.items()}, STEP_METRIC: int(step)}
        self._messages.put(_Message("log", lambda run: run.log(row)))

    def histogram(self, name: str, values: ArrayLike, step: int) -> None:
        """Also records `{name}/num_not_finite` where there are such values, as a histogram cannot hold them."""
        flat = np.array(values, np.float64).ravel()
        finite = flat[np.isfinite(flat)]
        num_not_finite = flat.size - finite.size

        def send(run: Any) -> None:
            row: dict[str, Any] = {STEP_METRIC: int(step)}
            if finite.size:
                row[name] = _wandb().Histogram(finite.tolist())
            if num_not_finite:
                row[f"{name}/num_not_finite"] = num_not_finite
            run.log(row)

        self._messages.put(_Message("histogram", send))

    def summary(self, values: Mapping[str, Any]) -> None:
        plain = _plain(values)
        self._messages.put(_Message("summary", lambda run: run.summary.update(plain)))

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        files = [Path(path) for path in paths]

        def send(run: Any) -> None:
            if not self._offline and (reason := why_silent()):  # wandb would wait for the server at every artifact
                raise ConnectionError(reason)
            artifact = _wandb().Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128], type)
            with _contained(self._directory):
                for path in files:
                    self._add(artifact, path)
                run.log_artifact(artifact)

        self._messages.put(_Message("artifact", send, ends_recording=False))

    def finish(self, error: BaseException | None = None) -> None:
        """Waits for at most 30 seconds; what wandb has not uploaded by then is on disk."""

        def send(run: Any) -> None:
            if isinstance(error, _STOPS):
                run.mark_preempting()
            run.finish(exit_code=int(error is not None))

        self._messages.put(_Message("finish", send))
        self._messages.put(None)
        self._teller.join(_FINISH_SECONDS)
        if self._teller.is_alive() and self._run is not None:
            self._say(f"did not take all of this run within {_FINISH_SECONDS:.0f} s{self._upload_later}")
        self._run = None

    def _tell_all(self) -> None:
        while (message := self._messages.get()) is not None:
            run = self._run
            if run is None:
                continue
            try:
                message.send(run)
            except Exception as error:  # whatever a logging service raises, hours of training are worth more
                lost = "no longer records this run" if message.ends_recording else "did not take all of this run"
                if self._run is not None:
                    later = self._upload_later if isinstance(error, ConnectionError | TimeoutError) else ""
                    self._say(f"{lost} ({message.what}: {_one_line(error)}){later}")
                if message.ends_recording:
                    self._run = None

    def _say(self, what: str) -> None:
        if not self._said:
            _warn(f"wandb {what}; the job goes on")
        self._said = True

    @property
    def _upload_later(self) -> str:
        command = commands.line(["wandb", "sync", "--include-online", self._folder])
        return "" if self._offline else f"; `{command}` uploads the rest"

    def _add(self, artifact: Any, path: Path) -> None:
        path = path.resolve()
        root = self._directory.resolve()
        name = str(path.relative_to(root)) if path.is_relative_to(root) else path.name
        if _NEVER_COPIED.fullmatch(path.name) or path.stat().st_size > _LARGEST_COPY:
            artifact.add_reference(path.as_uri(), name=name, checksum=False)
        else:
            # A copy, as the file may be replaced by a newer one before the run is synced.
            artifact.add_file(str(path), name=name, policy="mutable", skip_cache=True)


class _Message(NamedTuple):
    """Something to tell wandb."""

    what: str
    send: Callable[[Any], None]
    ends_recording: bool = True
    """Whether nothing more is recorded if it fails."""


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

    Where the server gives no answer the run is kept offline, and where wandb cannot start at all nothing is recorded;
    one line says which. Raises UserError for another mode, and for online without a login.
    """
    mode = resolve_mode(use_wandb, mode)
    if mode == "disabled":
        return SilentTracker()
    if mode == "online":
        try:
            with _contained(directory):
                reason = why_silent()
        except Exception as error:  # wandb itself does not start
            reason = _one_line(error)
        if reason:
            _warn(f"wandb does not answer ({reason}); this run is recorded offline")
            mode = "offline"

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
    wandb = _wandb()
    directory = Path(arguments["dir"])
    directory.mkdir(parents=True, exist_ok=True)
    if arguments["id"]:
        _mend_pieces(directory, arguments["id"])
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
    # A resumed run is sent behind what the server has of it, any other from its start, and so may be sent again.
    resume = "allow" if arguments["id"] else None
    run = wandb.init(**arguments, reinit="create_new", resume=resume, allow_val_change=True, settings=settings)
    run.define_metric(STEP_METRIC)
    run.define_metric("*", step_metric=STEP_METRIC)
    return run


def _mend_pieces(directory: Path, run_id: str) -> None:
    """Cuts off what a killed process left unfinished at the end of its file: `wandb sync` would stop there for good."""
    for piece in directory.glob(f"wandb/*-{run_id}/run-{run_id}.wandb"):
        data = piece.read_bytes()
        whole = _whole_records(data)
        if whole == 0:
            piece.unlink()
        elif whole < len(data):
            os.truncate(piece, whole)


def _whole_records(data: bytes) -> int:
    """Where the last whole record of a wandb file ends; 0 without any.

    Its format is LevelDB's log, behind a header: blocks, each of parts of records that never pass its end.
    """
    end, position = 0, _FILE_HEADER
    while position + _PART.size <= len(data):
        room = _BLOCK - position % _BLOCK
        if room < _PART.size:
            position += room
            continue
        _, length, kind = _PART.unpack_from(data, position)
        position += _PART.size + length
        if position <= len(data) and kind in _LAST_PARTS:
            end = position
    return end


def resolve_mode(use_wandb: bool, mode: str | None) -> str:
    """One of `_MODES`; raises UserError as `make_tracker` does."""
    if not use_wandb:
        return "disabled"
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
        except (OSError, netrc.NetrcParseError, RuntimeError):  # the last: nobody's home is known
            continue
        if any(entries.get(host, ("", "", ""))[2] for host in hosts):
            return True
    return False


def _wandb() -> Any:
    """The package; it says nothing at the terminal, unless $WANDB_SILENT is false, and does not report on itself."""
    os.environ.setdefault("WANDB_SILENT", "true")
    import wandb

    with suppress(ImportError):
        from wandb.analytics.opentelemetry import opentelemetry_proxy

        # Reports on the client itself, offline too: the end of the process would wait ten seconds for them to be taken.
        opentelemetry_proxy.disable()
    return wandb


def why_silent() -> str | None:
    """Why the wandb server gives no answer, None where it gives one, if only that it refuses; takes seconds at most."""
    server = str(_wandb().setup().settings.base_url).rstrip("/")
    question = urllib.request.Request(
        f"{server}/graphql", data=b'{"query": "{ __typename }"}', headers={"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(question, timeout=_ANSWER_SECONDS).close()
    except urllib.error.HTTPError as error:
        return f"{server} answers {error.code}" if error.code >= 500 else None
    except (OSError, http.client.HTTPException) as error:
        cause = getattr(error, "reason", error)
        # wandb has settings of its own for what certificates it accepts.
        return None if isinstance(cause, ssl.SSLError) else f"{server}: {_one_line(cause)}"
    return None


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
