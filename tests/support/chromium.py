"""A headless Chromium that pages are opened in: what they ask for, what they complain about, how they look.

Knows Chromium's remote debugging over a pipe (fields are separated by NUL, so no web socket and no port is needed);
knows nothing of any page.
"""

import base64
import io
import json
import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_SECONDS = 60.0
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # there is none for root, as which CI runs
    "--disable-dev-shm-usage",
    "--use-angle=swiftshader",  # WebGL without a graphics card
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


def find_browser() -> str | None:
    """The path of the first of `BROWSERS` that is there."""
    return next((path for name in BROWSERS if (path := shutil.which(name))), None)


class Page:
    """One open page. `requests` are the addresses it asked for, `complaints` what went to its console as warning or
    error, what was thrown, and what its own rules refused."""

    def __init__(self, to_browser: int, from_browser: int) -> None:
        self._to, self._from = to_browser, from_browser
        self._buffer = b""
        self._answers: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._session: str | None = None
        self.requests: list[str] = []
        self.complaints: list[str] = []

    def open(self, address: str, width: int = 1024, height: int = 720, dark: bool = False, still: bool = True) -> None:
        """Loads the page at a size in CSS pixels, in light or dark mode, asked to keep `still` or not."""
        if self._session is None:
            target = self.call("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log", "Network"):
                self.call(f"{domain}.enable")
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self.call("Emulation.setDeviceMetricsOverride", **size)
        wishes = {
            "prefers-color-scheme": "dark" if dark else "light",
            "prefers-reduced-motion": "reduce" if still else "no-preference",
        }
        features = [{"name": name, "value": value} for name, value in wishes.items()]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call("Page.navigate", url=address)
        self.wait_for(f"location.href === {json.dumps(address)} && document.readyState === 'complete'")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The browser's answer; raises RuntimeError where it refuses or says nothing for a minute."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        until = time.monotonic() + _SECONDS
        while self._number not in self._answers:
            self._receive(until)
        answer = self._answers.pop(self._number)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(f"{expression}: {answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, expression: str, seconds: float = _SECONDS) -> None:
        """Returns once the expression is true in the page; raises TimeoutError."""
        until = time.monotonic() + seconds
        while not self.run(expression):
            if time.monotonic() > until:
                raise TimeoutError(f"{expression} did not come true; complaints: {self.complaints}")
            time.sleep(0.05)

    def close_browser(self) -> None:
        """Ends the browser, which is asked as such and not as the page."""
        self._session = None
        self.call("Browser.close")

    def picture(self, selector: str | None = None) -> np.ndarray:
        """What is seen of the whole page, or of its first element that matches, as `[height, width, 3]` uint8."""
        options: dict[str, Any] = {"format": "png", "captureBeyondViewport": selector is None}
        if selector is not None:
            element = f"document.querySelector({json.dumps(selector)})"
            self.run(f"{element}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
            box = self.run(
                f"(({{x, y, width, height}}) => ({{x, y, width, height}}))({element}.getBoundingClientRect())"
            )
            scroll = self.run("({x: scrollX, y: scrollY})")
            options["clip"] = {**box, "x": box["x"] + scroll["x"], "y": box["y"] + scroll["y"], "scale": 1}
        png = base64.b64decode(self.call("Page.captureScreenshot", **options)["data"])
        return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))

    def _receive(self, until: float) -> None:
        ready, _, _ = select.select([self._from], [], [], max(until - time.monotonic(), 0.0))
        data = os.read(self._from, 1 << 20) if ready else b""
        if not data:
            raise RuntimeError("the browser says nothing" if not ready else "the browser has gone")
        *messages, self._buffer = (self._buffer + data).split(b"\0")
        for text in messages:
            message = json.loads(text)
            if "id" in message:
                self._answers[message["id"]] = message
            else:
                self._note(message.get("method"), message.get("params", {}))

    def _note(self, event: str | None, told: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(told["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            self.complaints.append(told["entry"]["text"])


@contextmanager
def browser(path: str, folder: Path, *options: str) -> Iterator[Page]:
    """A page of a browser of its own, which keeps its profile in `folder` and ends with the block."""
    their_read, our_write = os.pipe()
    our_read, their_write = os.pipe()
    arguments = [path, *_OPTIONS, *options, f"--user-data-dir={folder}", "about:blank"]
    # Chromium reads file descriptor 3 and writes 4.
    script = f'exec "$@" 3<&{their_read} 4>&{their_write}'
    with open(folder / "chromium.log", "wb") as log:
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", *arguments], pass_fds=(their_read, their_write), stdout=log, stderr=log
        )
    os.close(their_read)
    os.close(their_write)
    page = Page(our_write, our_read)
    try:
        yield page
        page.close_browser()
    finally:
        os.close(our_write)
        os.close(our_read)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
