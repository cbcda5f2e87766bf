from __future__ import annotations

import errno
import pickle

import pytest
import ray
import ray.exceptions
import ray.train
from ray.train.v2._internal.exceptions import (
    WorkerHealthCheckFailedError,
    WorkerHealthCheckTimeoutError,
)
from ray.train.v2.api.preemption import PreemptionInfo
from torch.distributed import DistBackendError

from cluster.failures import failure_of, is_machine_fault
from cluster.retry import Failure, Kind
from mtl.errors import AwayError, DataError, MtlError, NonFiniteLossError


def failed(*causes: Exception) -> ray.train.WorkerGroupError:
    return ray.train.WorkerGroupError("it failed", dict(enumerate(causes)))


@pytest.mark.parametrize(
    ("cause", "kind"),
    [
        (ray.exceptions.RayActorError(), Kind.WORKER_LOST),
        (ray.exceptions.OutOfMemoryError("the node ran out of memory"), Kind.WORKER_LOST),
        (WorkerHealthCheckTimeoutError("hanging for 600 seconds"), Kind.WORKER_LOST),
        (ray.exceptions.NodeDiedError("it died"), Kind.NODE_LOST),
        (ray.exceptions.ObjectLostError("ab" * 28, None, ""), Kind.OBJECT_LOST),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Kind.STORAGE),
        (OSError(errno.ESTALE, "Stale file handle"), Kind.STORAGE),
        (
            OSError("When uploading part for key 'a': AWS Error SLOW_DOWN during UploadPart"),
            Kind.STORAGE,
        ),
        (AwayError("AWS Error NETWORK_CONNECTION"), Kind.STORAGE),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.BUG),
        (PermissionError(errno.EACCES, "Permission denied"), Kind.BUG),
        (OSError("AWS Error ACCESS_DENIED during PutObject operation"), Kind.BUG),
        (KeyError("template"), Kind.BUG),
        (NonFiniteLossError("loss/giou is nan at step 3"), Kind.REFUSED),
        (DataError("a.jpg is no image"), Kind.REFUSED),
    ],
)
def test_the_kind_of_a_failure_follows_from_its_cause(cause: Exception, kind: Kind) -> None:
    assert failure_of(failed(cause)).kind is kind
    assert failure_of(ray.train.ControllerError(cause)).kind is kind


@pytest.mark.parametrize(
    ("inner", "kind", "told"),
    [
        (ray.exceptions.RayActorError(), Kind.WORKER_LOST, "RayActorError"),
        (ray.exceptions.NodeDiedError("it died"), Kind.NODE_LOST, "NodeDiedError"),
        (ray.exceptions.RpcError("it broke"), Kind.WORKER_LOST, "WorkerHealthCheckFailedError"),
        (
            ray.exceptions.RayTaskError("poll", "trace", TypeError("cannot pickle 'x'")),
            Kind.BUG,
            "TypeError: cannot pickle 'x'",
        ),
    ],
)
def test_a_worker_that_did_not_say_how_it_is_was_lost_unless_its_program_failed(
    inner: Exception, kind: Kind, told: str
) -> None:
    error = WorkerHealthCheckFailedError("a worker health check failed", inner)
    assert failure_of(failed(error)) == Failure(kind, told)


def test_a_reclaimed_machine_is_a_lost_one() -> None:
    error = ray.train.PreemptionError(PreemptionInfo(None, {"node": [0]}))
    assert failure_of(error).kind is Kind.NODE_LOST


def test_an_error_of_ours_keeps_its_sentence_whatever_came_with_it() -> None:
    error = NonFiniteLossError("loss/giou is nan at step 3")
    failure = failure_of(failed(ray.exceptions.RayActorError(), error))
    assert failure == Failure(Kind.REFUSED, "loss/giou is nan at step 3")
    assert failure.reason == "loss/giou is nan at step 3"


def test_a_worker_that_another_one_left_alone_is_no_bug() -> None:
    gloo = RuntimeError(
        "[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer "
        "[127.0.0.1]:23956."
    )
    for cause in (gloo, DistBackendError("NCCL error: remote process exited")):
        assert failure_of(cause).kind is Kind.WORKER_LOST
    assert failure_of(RuntimeError("Connection closed by peer")).kind is Kind.BUG


def test_a_bug_is_named() -> None:
    assert failure_of(failed(KeyError("template"))).reason == "KeyError: 'template'"


def test_collateral_errors_of_surviving_workers_do_not_hide_the_lost_one() -> None:
    error = failed(RuntimeError("Connection closed by peer"), ray.exceptions.RayActorError())
    assert failure_of(error) == Failure(Kind.WORKER_LOST, "RayActorError")


def test_an_error_in_a_task_is_no_fault_of_a_machine() -> None:
    assert is_machine_fault(ray.exceptions.RayActorError())
    assert not is_machine_fault(ray.exceptions.RayTaskError("f", "trace", OSError("disk")))


@pytest.mark.parametrize("kind", [DataError, MtlError, NonFiniteLossError])
def test_errors_survive_the_way_from_worker_to_driver(kind: type[MtlError]) -> None:
    copy = pickle.loads(pickle.dumps(kind("one sentence")))
    assert type(copy) is kind
    assert str(copy) == "one sentence"


@pytest.mark.parametrize(
    "error", [AwayError("AWS Error SLOW_DOWN"), OSError("AWS Error\nSLOW_DOWN")]
)
def test_what_a_storage_said_is_passed_on(error: Exception) -> None:
    assert failure_of(failed(error)).reason == "the storage did not answer (AWS Error SLOW_DOWN)"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (OSError(errno.ESTALE, "Stale file handle"), Kind.STORAGE),
        (OSError("AWS Error SLOW_DOWN during ListObjectsV2 operation"), Kind.STORAGE),
        (OSError(errno.ENOSPC, "No space left on device"), Kind.BUG),
        (KeyError("version"), Kind.BUG),
    ],
)
def test_an_actor_that_ends_in_its_beginnings_says_why(
    error: Exception, kind: Kind, local_cluster: str
) -> None:
    """Ray Train's controller opens the storage there; a real actor, for Ray words it anew."""

    @ray.remote(num_cpus=0)
    class Opens:
        def __init__(self) -> None:
            raise error

        def run(self) -> None: ...

    with pytest.raises(ray.exceptions.RayActorError) as caught:
        ray.get(Opens.remote().run.remote())  # type: ignore[attr-defined]
    assert failure_of(caught.value).kind is kind
