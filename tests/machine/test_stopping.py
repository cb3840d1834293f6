"""Requests to stop, in a process that several may ask."""

import signal

import pytest

from landscapes.machine import stopping
from landscapes.machine.stopping import Stopped, stop_requests


def test_who_asks_a_process_that_has_left_its_job_is_not_heard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopping, "_left", [])
    with pytest.raises(Stopped):
        stopping.stop_once(signal.SIGTERM, None)
    before = signal.signal(signal.SIGTERM, stopping.stop_once)

    def job() -> None:
        with stop_requests() as requests:
            signal.raise_signal(signal.SIGTERM)
            requests.leave()

    try:
        with pytest.raises(Stopped):
            job()
        signal.raise_signal(signal.SIGTERM)  # would end the tests
    finally:
        signal.signal(signal.SIGTERM, before)
