from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable

import pytest

from cluster.progress import new_board
from cluster.stopping import StopAsked, passing_on_sigterm, was_asked

pytestmark = pytest.mark.ray


def becomes_true(question: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 60
    while not question() and time.monotonic() < deadline:
        time.sleep(0.05)
    return question()


def test_sigterm_reaches_a_worker_through_the_board(local_cluster: str) -> None:
    board = new_board()
    asked = StopAsked(board)
    before = signal.getsignal(signal.SIGTERM)
    with passing_on_sigterm(board):
        assert not was_asked(board)
        assert not asked()
        os.kill(os.getpid(), signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == before  # the next one ends the process
        assert becomes_true(asked)
        assert was_asked(board)
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_board_that_starts_again_is_told_again(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray._private.state import actors

    monkeypatch.setattr("cluster.stopping.AGAIN_S", 0.5)
    board = new_board()
    with passing_on_sigterm(board):
        os.kill(os.getpid(), signal.SIGTERM)
        assert becomes_true(lambda: was_asked(board))
        ray.kill(board, no_restart=False)
        assert becomes_true(lambda: actors(actor_id=board._actor_id.hex())["NumRestarts"] == 1)
        assert becomes_true(lambda: was_asked(board))


def test_without_a_signal_nobody_is_asked(local_cluster: str) -> None:
    board = new_board()
    with passing_on_sigterm(board):
        pass
    assert not was_asked(board)


def test_in_another_thread_signals_are_left_alone(local_cluster: str) -> None:
    before = signal.getsignal(signal.SIGTERM)
    inside: list[object] = []

    def work() -> None:
        with passing_on_sigterm(None):
            inside.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert inside == [before]


def test_a_board_that_is_gone_asks_for_nothing(local_cluster: str) -> None:
    import ray

    board = new_board()
    asked = StopAsked(board)
    ray.kill(board)
    time.sleep(1)
    assert not asked()
    assert not was_asked(board)
