"""Whether wandb may be asked at all: its mode, a login, a server that answers, and where its client may write.

Knows wandb's variables, files and server; knows no run. wandb is imported only where it is used.
"""

import http.client
import netrc
import os
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from landscapes.errors import UserError
from landscapes.tracking.tracker import one_line

_MODES = ("online", "offline", "disabled")
_OLD_MODES = {"dryrun": "offline", "run": "online"}
_WANDB_HOSTS = ("api.wandb.ai", "api.forge.coreweave.com")
_ANSWER_SECONDS = 4.0
"""A server that has not answered in this time is left alone."""


def resolve_mode(use_wandb: bool, mode: str | None) -> str:
    """One of `_MODES`; raises UserError for another mode, and for online without a login."""
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


def wandb_package() -> Any:
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
    server = str(wandb_package().setup().settings.base_url).rstrip("/")
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
        return None if isinstance(cause, ssl.SSLError) else f"{server}: {one_line(cause)}"
    return None


@contextmanager
def contained(directory: Path) -> Iterator[None]:
    """Lets wandb stage and log below `directory`/wandb and not in the user's home, unless told where by them."""
    wanted = {name: str(directory / "wandb") for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR")}
    added = {name: value for name, value in wanted.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)
