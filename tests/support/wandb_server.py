"""A stand-in for the wandb server on 127.0.0.1: as much of its HTTP interface as runs, `wandb sync` and look-ups need.

Knows the requests of wandb 0.31 and how a server answers them, or fails to; knows nothing of what is recorded.
"""

import contextlib
import gzip
import http.server
import json
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

ENTITY = "someone"
API_KEY = "a" * 40

_OPERATION = re.compile(r"(?:query|mutation)\s+(\w+)")
_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")
_STREAM = re.compile(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream")
_HISTORY = "wandb-history.jsonl"


@dataclass
class StoredRun:
    """One run as the server has it."""

    id: str
    project: str
    display_name: str = ""
    group: str = ""
    config: dict[str, Any] = field(default_factory=dict)
    """As users see it: without wandb's wrapping of each value."""
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)
    """What was logged, by the number of the line: a line sent again replaces the one before."""
    overwritten: int = 0
    """How many lines were."""
    preempted: bool = False
    """Whether it said that it was about to be stopped, to go on later."""
    complete: bool = False
    exit_code: int | None = None

    @property
    def history(self) -> list[dict[str, Any]]:
        """The rows in their order."""
        return [self.lines[number] for number in sorted(self.lines)]

    def node(self) -> dict[str, Any]:
        """The fields of a GraphQL `Run`."""
        last = self.history[-1:]
        return {
            "id": f"storage-{self.id}",
            "projectId": "1",
            "name": self.id,
            "displayName": self.display_name,
            "state": "running" if not self.complete else "failed" if self.exit_code else "finished",
            "config": json.dumps({key: {"value": value} for key, value in self.config.items()}),
            "group": self.group,
            "summaryMetrics": json.dumps(last[0] if last else {}),
            "systemMetrics": "{}",
            "tags": [],
            "notes": None,
            "sweepName": None,
            "description": "",
            "user": {"name": ENTITY, "username": ENTITY},
            "historyKeys": None,
            "historyLineCount": len(self.lines),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "historyTail": json.dumps([json.dumps(row) for row in last]),
            "eventsTail": "[]",
            "wandbConfig": json.dumps({"t": self.config.get("_wandb", {}).get("t")}),  # without, a run has not begun
            "project": {"id": "1", "name": self.project, "entity": {"id": "1", "name": ENTITY}},
        }


class WandbServer(http.server.ThreadingHTTPServer):
    """Answers until told to do otherwise by `behaviour`, which may change at any time."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.behaviour: str | int = "answer"
        """"answer"; "hang": take requests and never answer; "drop": close the connection; or an HTTP error code."""
        self.delay = 0.0
        """Seconds before each answer."""
        self.behaviour_once_begun: str | int | None = None
        """Its behaviour as soon as it has heard of a run."""
        self.runs: dict[str, StoredRun] = {}
        self.artifacts: list[str] = []
        """Their names."""
        self.requests: list[str] = []
        """Names of GraphQL operations, and paths of other requests, as they came."""
        self.over = threading.Event()
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def environment(self) -> dict[str, str]:
        """The variables with which wandb talks to this server."""
        return {"WANDB_BASE_URL": self.url, "WANDB_API_KEY": API_KEY}

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to report."""

    # What is asked

    def graphql(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        with self.lock:
            answer = getattr(self, "_on_" + _CAPITAL.sub("_", operation).lower(), None)
            return answer(variables) if answer else {}

    def _on_viewer(self, variables: dict[str, Any]) -> dict[str, Any]:
        viewer = {"id": "1", "entity": ENTITY, "username": ENTITY, "email": "", "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer}

    _on_get_default_entity = _on_viewer

    def _on_server_features_query(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"serverInfo": {"features": []}}

    def _on_run_resume_status(self, variables: dict[str, Any]) -> dict[str, Any]:
        run = self.runs.get(variables["name"])
        entity = {"id": "1", "name": ENTITY}
        return {"model": {"id": "1", "name": "", "entity": entity, "bucket": run.node() if run else None}}

    def _on_upsert_bucket(self, variables: dict[str, Any]) -> dict[str, Any]:
        name = variables["name"]
        inserted = name not in self.runs
        run = self.runs.setdefault(name, StoredRun(name, variables["project"]))
        run.display_name = variables.get("displayName") or run.display_name
        run.group = variables.get("groupName") or run.group
        for key, entry in json.loads(variables.get("config") or "{}").items():
            run.config[key] = entry["value"]
        if self.behaviour_once_begun is not None:
            self.behaviour = self.behaviour_once_begun
        return {"upsertBucket": {"bucket": run.node(), "inserted": inserted}}

    def _on_create_run_files(self, variables: dict[str, Any]) -> dict[str, Any]:
        files = [{"name": name, "uploadUrl": f"{self.url}/upload/{name}"} for name in variables["files"]]
        return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}

    def _on_artifact_type(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"project": {"artifact": None}}

    def _on_create_artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        """As if it had the very files already, so that none are sent."""
        self.artifacts.append(variables["input"]["artifactCollectionName"])
        sequence = {"id": "1", "latestArtifact": {"id": "1", "versionIndex": 0}}
        return {"createArtifact": {"artifact": {"id": "1", "state": "COMMITTED", "artifactSequence": sequence}}}

    def _on_use_artifact(self, variables: dict[str, Any]) -> dict[str, Any]:
        return {"useArtifact": {"artifact": {"id": "1"}}}

    def _on_runs(self, variables: dict[str, Any]) -> dict[str, Any]:
        wanted = [each["display_name"] for each in json.loads(variables["filters"])["$or"]]
        found = [r for r in self.runs.values() if r.display_name in wanted and r.project == variables["project"]]
        if not any(run.project == variables["project"] for run in self.runs.values()):
            return {"project": None}
        runs = {
            "edges": [{"node": run.node(), "cursor": run.id} for run in found],
            "pageInfo": {"endCursor": None, "hasNextPage": False},
        }
        return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": runs}}

    def stream(self, run_id: str, sent: dict[str, Any]) -> None:
        """Takes what a run streams: lines of its history, and its end."""
        with self.lock:
            run = self.runs[run_id]
            history = sent.get("files", {}).get(_HISTORY, {"offset": 0, "content": []})
            for number, line in enumerate(history["content"], history["offset"]):
                run.overwritten += number in run.lines
                run.lines[number] = json.loads(line)
            run.preempted |= bool(sent.get("preempting"))
            if "complete" in sent:
                run.complete, run.exit_code = sent["complete"], sent.get("exitcode")


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: WandbServer

    def log_message(self, format: str, *arguments: object) -> None:
        """Tests say what they want to see."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        sent = json.loads(body) if self.path == "/graphql" or _STREAM.fullmatch(self.path) else {}
        match = _OPERATION.search(sent["query"]) if self.path == "/graphql" else None
        operation = match[1] if match else self.path
        self.server.requests.append(operation)
        if not self._behaves():
            return
        if match:
            self._answer(200, {"data": self.server.graphql(operation, sent.get("variables") or {})})
            return
        if stream := _STREAM.fullmatch(self.path):
            self.server.stream(stream[3], sent)
        self._answer(200, {})

    do_GET = do_PUT = do_POST  # noqa: N815

    def _behaves(self) -> bool:
        """Whether the request is to be answered as it should; else it has been dealt with."""
        time.sleep(self.server.delay)
        behaviour = self.server.behaviour
        if behaviour == "answer":
            return True
        if behaviour == "hang":
            self.server.over.wait()
        if isinstance(behaviour, int):
            self._answer(behaviour, {"errors": [{"message": "the server says no"}]})
        self.close_connection = True
        return False

    def _answer(self, code: int, content: dict[str, Any]) -> None:
        body = json.dumps(content).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextlib.contextmanager
def serving() -> Iterator[WandbServer]:
    """A server that runs in a thread of this process."""
    server = WandbServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        server.shutdown()
        server.server_close()
        thread.join()
