"""What to do when training fails: a pure decision, carried out by `cluster.job`.

A fault of a machine (process killed, node lost) is tried again from the last checkpoint; an error
that the program raised would only be raised again, so it ends the run at once.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import ray.exceptions
import ray.train

from mtl.errors import MtlError


class Action(enum.Enum):
    """What follows a failure."""

    RETRY = "retry"
    GIVE_UP = "give up"


@dataclass(frozen=True)
class Decision:
    """An action and its reason, one sentence for the user."""

    action: Action
    reason: str


def decide(error: ray.train.TrainingFailedError, failures: int, limit: int) -> Decision:
    """Decide what follows `error`, the `failures`-th of a run that may have `limit` of them."""
    causes = causes_of(error)
    for cause in causes:
        if isinstance(cause, MtlError):
            return Decision(Action.GIVE_UP, str(cause))
    machine = [cause for cause in causes if is_machine_fault(cause)]
    if not machine:
        cause = causes[0]
        return Decision(Action.GIVE_UP, f"{type(cause).__name__}: {cause}")
    what = f"a worker was lost ({type(machine[0]).__name__})"
    if failures > limit:
        return Decision(
            Action.GIVE_UP,
            f"{what}, failure {failures} of at most {limit} (cluster.max_failures); "
            "start it again with resume=true to go on from the last checkpoint.",
        )
    return Decision(Action.RETRY, f"{what}; going on from the last checkpoint.")


def causes_of(error: BaseException) -> list[BaseException]:
    """The exceptions behind a failed run, Ray's wrappers taken off."""
    if isinstance(error, ray.train.WorkerGroupError):
        return [_unwrap(cause) for cause in error.worker_failures.values()] or [error]
    if isinstance(error, ray.train.ControllerError):
        return [_unwrap(error.controller_failure)]
    return [error]


def is_machine_fault(error: BaseException) -> bool:
    """Whether the error says that a process or machine went away."""
    kinds = (
        ray.exceptions.RayActorError,
        ray.exceptions.WorkerCrashedError,
        ray.exceptions.NodeDiedError,
        ray.exceptions.OutOfMemoryError,
    )
    return isinstance(error, kinds)


def _unwrap(error: BaseException) -> BaseException:
    for attribute in ("_base_exc", "health_check_failure", "cause"):
        inner = getattr(error, attribute, None)
        if isinstance(inner, BaseException):
            return _unwrap(inner)
    return error
