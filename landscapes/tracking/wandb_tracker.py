"""One run of Weights & Biases, online or on disk for a later `wandb sync`: it is told what the job tells.

Knows wandb's runs and the folder it may write to; knows nothing of what is trained, nor of the HDF5 files that hold
results. Whatever happens to wandb, one line says so and the job goes on. The job never waits for wandb while it runs,
and at its end for so long only as is said below.
"""

import queue
import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from landscapes import commands
from landscapes.tracking.tracker import STEP_METRIC, one_line, warn
from landscapes.tracking.wandb_login import contained, wandb_package, why_silent

_LARGEST_COPY = 64 * 2**20
"""Bytes; a larger file of an artifact is referred to where it lies, not copied."""
_NEVER_COPIED = re.compile(r"(ckpt|replay)_.*\.h5")
_STOPS = (KeyboardInterrupt, SystemExit)
"""What a request to stop raises: our own `Stopped`, or a scheduler's handler that has put the job into its queue."""
_FINISH_SECONDS = 30.0
"""The longest that a job waits at its end, whatever wandb is doing."""


class Complaint:
    """One line at most, whoever of several has something to complain of."""

    def __init__(self) -> None:
        self.online: list[Path] = []
        """The folders of those that record online, of which all that was not uploaded is uploaded by one command."""
        self._said = threading.Event()

    def say(self, what: str) -> None:
        if not self._said.is_set():
            self._said.set()
            warn(what)


class WandbTracker:
    """A wandb run. What goes wrong is said once, in one line on stderr; if only an artifact failed it goes on.

    A thread tells wandb, so that the job never waits: not for a server that hangs, not for wandb itself. Small files
    of an artifact are copied into `directory`/wandb; checkpoints, replay segments and files over 64 MB are recorded as
    references (`file://`, no checksum), so that nothing big is ever copied or read.
    """

    def __init__(
        self, run: Any, directory: Path, belongs_to: str | None = None, complaint: Complaint | None = None
    ) -> None:
        """`belongs_to` is the id of the run that this one's data is to join when it is synced, if not its own;
        `complaint` is shared by several that complain once together."""
        self._run = run
        self._directory = directory
        self.run_id: str | None = belongs_to or run.id
        self._folder = Path(run.dir).parent
        self._offline = bool(run.offline)
        if belongs_to not in (None, run.id):
            where = commands.line(["wandb", "sync", "--id", belongs_to, self._folder])
        else:  # the whole folder: a run that went on has a piece there for each time
            where = commands.line(["wandb", "sync", self._folder.parent]) if self._offline else str(run.url)
        self.where: Mapping[str, str] = {"wandb": where}
        self._complaint = complaint or Complaint()
        self._complaint.online += [] if self._offline else [self._folder]
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
                row[name] = wandb_package().Histogram(finite.tolist())
            if num_not_finite:
                row[f"{name}/num_not_finite"] = num_not_finite
            run.log(row)

        self._messages.put(_Message("histogram", send))

    def summary(self, values: Mapping[str, Any]) -> None:
        numbers = plain(values)
        self._messages.put(_Message("summary", lambda run: run.summary.update(numbers)))

    def artifact(self, name: str, type: str, paths: Iterable[Path]) -> None:
        files = [Path(path) for path in paths]

        def send(run: Any) -> None:
            if not self._offline and (reason := why_silent()):  # wandb would wait for the server at every artifact
                raise ConnectionError(reason)
            artifact = wandb_package().Artifact(re.sub(r"[^A-Za-z0-9_.-]", "-", name)[:128], type)
            with contained(self._directory):
                for path in files:
                    self._add(artifact, path)
                run.log_artifact(artifact)

        self._messages.put(_Message("artifact", send, ends_recording=False))

    def finish(self, error: BaseException | None = None) -> None:
        """Waits for at most 30 seconds; what wandb has not uploaded by then is on disk."""
        self.begin_finish(error)
        self.end_finish(time.monotonic() + _FINISH_SECONDS)

    def begin_finish(self, error: BaseException | None) -> None:
        """Has wandb end the run, and does not wait for it."""

        def send(run: Any) -> None:
            if isinstance(error, _STOPS):
                run.mark_preempting()
            run.finish(exit_code=int(error is not None))

        self._messages.put(_Message("finish", send))
        self._messages.put(None)

    def end_finish(self, deadline: float) -> None:
        """Waits for that, up to a time of `time.monotonic`."""
        self._teller.join(max(0.0, deadline - time.monotonic()))
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
                    self._say(f"{lost} ({message.what}: {one_line(error)}){later}")
                if message.ends_recording:
                    self._run = None

    def _say(self, what: str) -> None:
        self._complaint.say(f"wandb {what}; the job goes on")

    @property
    def _upload_later(self) -> str:
        command = commands.line(["wandb", "sync", "--include-online", *self._complaint.online])
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


def plain(value: Any) -> Any:
    """`value` with paths as words, and arrays and their scalars as Python numbers, as JSON holds them."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, Path):
        return str(value)
    return value.tolist() if hasattr(value, "tolist") else value
