"""What the tests of the report share: one browser for a module.

Knows where a browser is found; knows no page.
"""

from collections.abc import Iterator

import chromium
import pytest


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chromium.Page]:
    path = chromium.find_browser()
    if path is None:
        pytest.skip("no Chromium is installed")
    with chromium.browser(path, tmp_path_factory.mktemp("chromium")) as opened:
        yield opened
