"""Of which kind the failure of a run is; `cluster.retry` decides what follows it.

One lost process makes the others fail too, each in its own way, so the causes of all workers are
looked at together: an error of ours says most, then a machine's fault, and what is left is a bug.
"""

from __future__ import annotations

import re

import ray.exceptions
import ray.train
from ray.train.v2._internal.exceptions import (
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from torch.distributed import DistBackendError, DistNetworkError

from cluster.retry import Failure, Kind
from mtl.errors import AwayError, MtlError
from mtl.hiccups import is_hiccup, words_of

NODE_LOST = (
    ray.exceptions.NodeDiedError,
    ray.exceptions.LocalRayletDiedError,
    ray.train.PreemptionError,
)
WORKER_LOST = (
    ray.exceptions.RayActorError,
    ray.exceptions.WorkerCrashedError,
    ray.exceptions.OutOfMemoryError,
    WorkerHealthCheckTimeoutError,
    WorkerHealthCheckFailedError,
)
KINDS: list[tuple[Kind, tuple[type[BaseException], ...]]] = [
    (Kind.NODE_LOST, NODE_LOST),
    (Kind.WORKER_LOST, WORKER_LOST),
    (Kind.OBJECT_LOST, (ray.exceptions.ObjectLostError,)),
]
"""Ray's words for what passes, those that say most first."""


def failure_of(error: BaseException) -> Failure:
    """Why a run ended, from what `fit` raised."""
    causes = causes_of(error)
    for cause in causes:
        if isinstance(cause, MtlError) and not isinstance(cause, AwayError):
            return Failure(Kind.REFUSED, str(cause).partition("\n")[0])  # Ray Data adds its own
    for kind, types in KINDS:
        for cause in causes:
            if isinstance(cause, types):
                return Failure(kind, type(cause).__name__)
    for cause in causes:
        if is_hiccup(cause):
            return Failure(Kind.STORAGE, words_of(cause))
    if any(_is_cut_off(cause) for cause in causes):
        return Failure(Kind.WORKER_LOST, "another worker went away")
    return Failure(Kind.BUG, f"{type(causes[0]).__name__}: {causes[0]}")


def causes_of(error: BaseException) -> list[BaseException]:
    """The exceptions behind a failed run, Ray's wrappers taken off."""
    if isinstance(error, ray.train.WorkerGroupError):
        return [_unwrap(cause) for cause in error.worker_failures.values()] or [error]
    if isinstance(error, ray.train.ControllerError):
        return [_unwrap(error.controller_failure)]
    if isinstance(error, ray.exceptions.RayActorError) and error.actor_init_failed:
        return [_of_creation(error)]
    return [error]


def _of_creation(error: ray.exceptions.RayActorError) -> BaseException:
    """What ended an actor in its beginnings, such as Ray Train's that reads the storage.

    Ray keeps no more of it than its words.
    """
    words = str(error).strip().splitlines()[-1]
    number = re.search(r"\[Errno (\d+)\]", words)
    if number:
        return OSError(int(number[1]), words)
    return OSError(words) if re.match(r"\w*(OSError|IOError)\b", words) else RuntimeError(words)


def is_machine_fault(error: BaseException) -> bool:
    """Whether the error says that a process or machine went away."""
    return isinstance(error, NODE_LOST + WORKER_LOST)


def _is_cut_off(error: BaseException) -> bool:
    """Whether a worker could not reach another one; it may tell so before Ray has noticed."""
    if isinstance(error, (DistBackendError, DistNetworkError)):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and "gloo/transport" in text and "onnection" in text


def _unwrap(error: BaseException) -> BaseException:
    """The exception inside that says most.

    Ray Train asks its workers whether they are well. Where asking one failed, Ray may say why; of
    its errors that do not, all that is known is that the worker gave no answer.
    """
    for attribute in ("_base_exc", "health_check_failure", "cause"):
        inner = getattr(error, attribute, None)
        if isinstance(inner, BaseException):
            cause = _unwrap(inner)
            told = not isinstance(cause, ray.exceptions.RayError) or any(
                isinstance(cause, types) for _, types in KINDS
            )
            return cause if told or not isinstance(error, WorkerHealthCheckFailedError) else error
    return error
