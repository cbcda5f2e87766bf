from __future__ import annotations

import signal

import pytest

from mtl.tracking.video.stop import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_request_is_noted_and_the_second_acts_as_usual(number: signal.Signals) -> None:
    usual = signal.getsignal(number)
    with StopRequest() as stop:
        assert stop.wanted()
        assert signal.getsignal(number) != usual
        signal.raise_signal(number)
        assert not stop.wanted()
        assert stop.status == 128 + number
        assert signal.getsignal(number) == usual


def test_without_a_request_there_is_no_status_and_the_handlers_come_back() -> None:
    usual = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with StopRequest() as stop:
        assert stop.status is None
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == usual
