from __future__ import annotations

import pickle

import pytest
import ray.exceptions
import ray.train

from cluster.failures import Action, decide
from mtl.errors import DataError, MtlError, NonFiniteLossError


def failed(*causes: Exception) -> ray.train.WorkerGroupError:
    return ray.train.WorkerGroupError("it failed", dict(enumerate(causes)))


def test_a_lost_worker_is_tried_again() -> None:
    decision = decide(failed(ray.exceptions.RayActorError()), failures=1, limit=3)
    assert decision.action is Action.RETRY
    assert "last checkpoint" in decision.reason


def test_it_gives_up_after_the_limit_and_says_how_to_go_on() -> None:
    decision = decide(failed(ray.exceptions.RayActorError()), failures=4, limit=3)
    assert decision.action is Action.GIVE_UP
    assert "cluster.max_failures" in decision.reason
    assert "resume=true" in decision.reason


def test_an_error_of_ours_is_never_tried_again_and_keeps_its_sentence() -> None:
    error = NonFiniteLossError("loss/giou is nan at step 3")
    decision = decide(failed(ray.exceptions.RayActorError(), error), failures=1, limit=3)
    assert decision == decide(failed(error), failures=1, limit=3)
    assert decision.action is Action.GIVE_UP
    assert decision.reason == "loss/giou is nan at step 3"


def test_a_bug_is_not_tried_again_and_is_named() -> None:
    decision = decide(failed(KeyError("template")), failures=1, limit=3)
    assert decision.action is Action.GIVE_UP
    assert decision.reason == "KeyError: 'template'"


def test_collateral_errors_of_surviving_workers_do_not_hide_the_lost_one() -> None:
    error = failed(RuntimeError("Connection closed by peer"), ray.exceptions.RayActorError())
    assert decide(error, failures=1, limit=1).action is Action.RETRY


@pytest.mark.parametrize("kind", [DataError, MtlError, NonFiniteLossError])
def test_errors_survive_the_way_from_worker_to_driver(kind: type[MtlError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("one sentence")))
    assert type(copy) is kind
    assert str(copy) == "one sentence"
