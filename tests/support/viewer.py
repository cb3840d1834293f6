"""The report's page as a reader uses it: its stages, what is pressed and chosen, where its roll-outs are drawn.

Knows the page's elements and the browser that shows it; knows no test.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import chromium

READY = "document.documentElement.dataset.viewer === 'ready'"
FIRST, PAIRS = "[data-stage=neighbours]", "[data-stage=pairs]"


@contextmanager
def at_start(browser: chromium.Page, page: Path, own: tuple[str, ...]) -> Iterator[chromium.Page]:
    """The page in the browser, at its start; at the end nothing was complained of and nothing left it, but what begins
    with one of `own` and is part of it."""
    browser.requests.clear()
    browser.complaints.clear()
    browser.open(page.as_uri())
    browser.wait_for(READY)
    yield browser
    assert browser.complaints == []
    assert [address for address in browser.requests if not address.startswith(own)] == [page.as_uri()]


def step_of(browser: chromium.Page, stage: str) -> int:
    return int(browser.run(f"document.querySelector('{stage}').dataset.step"))


def press(browser: chromium.Page, stage: str, role: str) -> None:
    browser.run(f"document.querySelector('{stage} [data-role={role}]').click()")


def choose(browser: chromium.Page, selector: str, value: str, event: str = "change") -> None:
    browser.run(
        f"(() => {{ const element = document.querySelector({json.dumps(selector)});"
        f"element.value = {json.dumps(value)}; element.dispatchEvent(new Event('{event}')); }})()"
    )


def canvas(stage: str, index: int) -> str:
    return f"{stage} .panel:nth-child({index + 1}) canvas"
