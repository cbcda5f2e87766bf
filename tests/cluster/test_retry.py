"""Without Ray: what follows a failure of each kind."""

from __future__ import annotations

import subprocess
import sys

import pytest

from cluster.retry import Action, Decision, Failure, Failures, Kind, RetryPolicy

MACHINE = [Kind.WORKER_LOST, Kind.NODE_LOST, Kind.OBJECT_LOST, Kind.STORAGE]


@pytest.mark.parametrize("kind", MACHINE)
def test_a_machine_fault_is_tried_again_until_the_limit(kind: Kind) -> None:
    policy = RetryPolicy(max_failures=2)
    failure = Failure(kind, "SomeError")
    assert [policy.decide(failure, number).action for number in (1, 2, 3)] == [
        Action.RETRY, Action.RETRY, Action.GIVE_UP,
    ]  # fmt: skip
    assert policy.decide(failure, 1).reason == (
        f"{kind.value} (SomeError); going on from the last checkpoint."
    )
    assert policy.decide(failure, 3).reason == (
        f"{kind.value} (SomeError), failure 3 of at most 2 (cluster.max_failures) without a new "
        "checkpoint; start it again with resume=true to go on from the last one."
    )


@pytest.mark.parametrize("kind", [Kind.REFUSED, Kind.BUG])
def test_an_error_that_would_be_raised_again_is_not_tried_again(kind: Kind) -> None:
    failure = Failure(kind, "data.root=x holds no sequence")
    decision = RetryPolicy(max_failures=100).decide(failure, 1)
    assert decision == Decision(Action.GIVE_UP, "data.root=x holds no sequence")


def test_failures_are_counted_anew_when_a_run_got_further() -> None:
    """A run of days on machines that are taken back every few hours does not give up."""
    failures = Failures()
    assert [failures.count("") for _ in range(2)] == [1, 2]
    assert [failures.count("step-00000010") for _ in range(3)] == [1, 2, 3]
    assert failures.count(None) == 4  # the storage does not say: no reason to go on for ever
    assert failures.count("step-00000010") == 5
    assert failures.count("step-00000020") == 1


def test_every_kind_either_passes_or_not() -> None:
    assert [kind for kind in Kind if kind.passes] == MACHINE


def test_a_storage_is_given_longer_each_time_and_a_lost_machine_is_not_waited_for() -> None:
    policy = RetryPolicy(max_failures=9)
    pauses = [policy.decide(Failure(Kind.STORAGE, "OSError"), n).pause_s for n in range(1, 7)]
    assert pauses == [5, 10, 20, 40, 60, 60]
    assert policy.decide(Failure(Kind.NODE_LOST, "NodeDiedError"), 3).pause_s == 0


def test_with_no_failures_allowed_the_first_ends_the_run() -> None:
    failure = Failure(Kind.WORKER_LOST, "ActorDiedError")
    assert RetryPolicy(max_failures=0).decide(failure, 1).action is Action.GIVE_UP


def test_it_needs_no_ray() -> None:
    program = "import sys, cluster.retry; sys.exit('ray' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)
