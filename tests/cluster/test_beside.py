from __future__ import annotations

import signal
import threading

import pytest

from cluster.beside import beside


def test_what_the_call_returns_or_raises_comes_back() -> None:
    assert beside(lambda: 3) == 3
    with pytest.raises(ZeroDivisionError):
        beside(lambda: 1 // 0)


def test_ctrl_c_is_heard_although_the_call_goes_on() -> None:
    go_on = threading.Event()
    threading.Timer(0.2, signal.raise_signal, [signal.SIGINT]).start()
    with pytest.raises(KeyboardInterrupt):
        beside(lambda: go_on.wait(60))
    go_on.set()


def test_a_call_that_takes_too_long_is_left_alone() -> None:
    go_on = threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer within 0\.5 s"):
        beside(lambda: go_on.wait(60), most_s=0.5)
    go_on.set()


def test_a_call_cannot_take_the_signal_for_itself() -> None:
    """Ray Train would, in the main thread."""
    main = threading.main_thread()
    assert beside(threading.current_thread) is not main
