from __future__ import annotations

from cluster.waiting import Waiting


def told(waiting: Waiting, seconds: int) -> list[str]:
    return list(filter(None, (waiting.passed(1.0) for _ in range(seconds))))


def test_a_wait_is_told_once_within_thirty_seconds_and_the_next_one_again() -> None:
    waiting = Waiting(lambda: "no room", wait_s=20.0)
    assert told(waiting, 19) == []
    assert told(waiting, 11) == ["no room"]
    assert told(waiting, 1000) == []
    waiting.heard()  # it began, and then its machine was lost
    assert told(waiting, 19) == []
    assert told(waiting, 11) == ["no room"]


def test_a_run_that_is_only_slow_is_looked_at_again() -> None:
    lacking = ""
    looks = 0

    def missing() -> str:
        nonlocal looks
        looks += 1
        return lacking

    waiting = Waiting(missing, wait_s=20.0)
    assert told(waiting, 120) == []
    assert looks < 120 / 4
    lacking = "the node is gone"
    assert told(waiting, 6) == ["the node is gone"]


def test_a_run_that_speaks_is_not_looked_at() -> None:
    waiting = Waiting(lambda: "no room", wait_s=20.0)
    for _ in range(20):
        assert told(waiting, 15) == []
        waiting.heard()
