"""One run on Ray, from a resolved config to its finished folder."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Any

import ray
import ray.train
import ray.train.torch
from rich.console import Console

from cluster.beside import beside
from cluster.capacity import runs_that_fit
from cluster.failures import failure_of
from cluster.lasting import keep_lasting_actors_here
from cluster.nodes import node_resources
from cluster.progress import Display, new_board
from cluster.retry import Action, Failures, RetryPolicy
from cluster.room import missing_room
from cluster.settings import worker_environment
from cluster.stopping import passing_on_sigterm, was_asked
from cluster.summary import publish_report
from cluster.worker import Job, train_worker
from mtl.config.load import to_yaml
from mtl.config.schema import ClusterConfig, EvaluateConfig, RunConfig
from mtl.config.unified_run import UnifiedEvaluateConfig
from mtl.errors import MtlError, ResourceError, StoppedError
from mtl.families import Indices, family_of
from mtl.training.checkpoints import CHECKPOINTS
from mtl.training.run_folder import RunFolder

RAY_SNAPSHOT = f"{CHECKPOINTS}/checkpoint_manager_snapshot.json"
"""Ray Train's own list of the checkpoints, which knows nothing of their state: it refuses to start
where the list itself was cut short, or where a checkpoint of it is gone. `Checkpoints` looks at the
folders instead, and keeps the last of them."""
ANSWER_S = 30.0
"""Seconds in which a cluster that is there answers."""


def connect(config: RunConfig | EvaluateConfig | UnifiedEvaluateConfig, at_end: ExitStack) -> bool:
    """Join the cluster this process belongs to, or start one on this machine.

    RAY_ADDRESS=local starts one of its own beside those that run here already.

    Args:
        config: of what is to be placed.
        at_end: leaves the cluster, and shuts down one that was started here.

    Returns:
        Whether the cluster was there: one that was started here is this machine alone.

    Raises:
        ResourceError: RAY_ADDRESS names a cluster that does not answer, or one that has another
            version of Ray or another token.
    """
    if ray.is_initialized():
        return True
    address = os.environ.get("RAY_ADDRESS", "")
    _require_answer(address)
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address != "local":
        try:
            ray.init(address="auto", **quiet)
        except ConnectionError:
            pass  # there is none to join
        except (RuntimeError, ray.exceptions.RayError) as error:  # other versions, another token
            reason = str(error).strip().splitlines()[0].rstrip(".")
            raise ResourceError(f"the cluster cannot be joined: {reason}.") from error
        else:
            at_end.callback(ray.shutdown)
            keep_lasting_actors_here()
            return True
    cluster = config.cluster
    # Logical CPUs: the workers' own, and two for Ray Data's tasks, on however few cores.
    cpus = max(os.cpu_count() or 1, cluster.most * cluster.cpus_per_worker + 2)
    ray.init(address="local", num_cpus=cpus, object_store_memory=512 << 20, **quiet)
    at_end.callback(ray.shutdown)
    return False


def _require_answer(address: str) -> None:
    """Refuse a `host:port` where nothing listens; Ray itself would try for minutes."""
    host, colon, port = address.rpartition(":")
    if not (colon and port.isdigit() and "/" not in host):
        return
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except OSError:
        raise ResourceError(
            f"the cluster at RAY_ADDRESS={address} does not answer; start it "
            "or unset RAY_ADDRESS to run on this machine."
        ) from None


def run_training(
    config: RunConfig,
    indices: Indices,
    folder: RunFolder,
    console: Console,
    missing: Callable[[ClusterConfig], str] = missing_room,
) -> None:
    """Train, after the runs that this one learns from.

    Args:
        config: of the run.
        indices: of its data.
        folder: of the run.
        console: of the person.
        missing: asked where the workers say nothing; says what they wait for, empty: not for room.

    Raises:
        StoppedError: SIGTERM came; what was trained is kept.
        MtlError: the run ended before its time; the message says why in one sentence.
    """
    board = new_board()
    with (
        Display(console, board, lambda: missing(config.cluster)),
        passing_on_sigterm(board),
    ):
        if first := family_of(config).first():
            folder.write_text("config.yaml", to_yaml(config))  # from here on it can be resumed
            train_runs(first, board, console)
        _train(config, folder, Job(config, ray.put(indices), board), console)


def train_runs(runs: Sequence[RunConfig], board: Any, console: Console, label: str = "") -> None:
    """Train runs that do not depend on each other, as many at a time as the cluster places.

    Each after the runs that it needs itself; those that have ended are left as they are.

    Args:
        runs: to be trained.
        board: for their news.
        console: of the driver.
        label: of the run that needs them, in front of their names; empty where there is one only.

    Raises:
        MtlError: one of them ended before its time; the others were brought to their end first.
    """
    waiting = []
    for config in runs:
        folder = RunFolder(config.storage, str(config.name))
        if folder.finished():
            console.print(f"{label}{config.name}: done already", markup=False)
            if not folder.has("report.html"):  # it was stopped, or another failed, in between
                publish_report(folder)
            continue
        indices = ray.put(family_of(config).indices())
        job = Job(config, indices, board, label=f"{label}{config.name}")
        waiting.append((config, folder, job))
    if not waiting:
        return
    pool = ThreadPoolExecutor(min(len(waiting), runs_that_fit(node_resources(), runs[0].cluster)))
    try:
        futures = [pool.submit(_train_after, *each, console) for each in waiting]
        for future in as_completed(futures):
            future.exception()
        for future in futures:
            future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for _, folder, _ in waiting:
        publish_report(folder)


def _train_after(config: RunConfig, folder: RunFolder, job: Job, console: Console) -> None:
    """Train a run after those it needs.

    Raises:
        MtlError: it, or one of them, ended before its time.
    """
    if first := family_of(config).first():
        train_runs(first, job.board, console, label=f"{job.label}/")
    _train(config, folder, job, console)


def _train(config: RunConfig, folder: RunFolder, job: Job, console: Console) -> None:
    """Train with as many attempts as `cluster.max_failures` allows between two checkpoints.

    Raises:
        StoppedError: it was asked to stop; what was trained is kept.
        MtlError: the run ended before its time.
    """
    failures = Failures()
    policy = RetryPolicy(config.cluster.max_failures)
    label = f"{job.label}: " if job.label else ""
    while True:
        try:
            folder.delete(RAY_SNAPSHOT)
            stopped = "stopped before it began"
            if not was_asked(job.board):
                result: Any = beside(_trainer(config, folder, job).fit)  # mypy knows that of V1
                stopped = result.return_value
        except (ray.train.TrainingFailedError, ray.exceptions.RayError, OSError) as error:
            if isinstance(error, ray.exceptions.RayError) and not _answers():
                raise ResourceError(
                    f"{label}the cluster was lost ({type(error).__name__}); start it again with "
                    "resume=true to go on from the last checkpoint."
                ) from error
            number = failures.count(_reached(folder))
            decision = policy.decide(failure_of(error), number)
            if decision.action is Action.GIVE_UP:
                raise MtlError(f"{label}{decision.reason}") from error
            console.print(f"{label}{decision.reason}", style="yellow", markup=False)
            time.sleep(decision.pause_s)
        else:
            if stopped:
                raise StoppedError(
                    f"{label}{stopped}; the same command with resume=true and this name goes on."
                )
            return


def _reached(folder: RunFolder) -> str | None:
    """Name of the newest checkpoint, empty before the first; none: the storage does not answer."""
    try:
        return max(folder.checkpoints.complete(), default="")
    except OSError:
        return None


@ray.remote(num_cpus=0)
def _here() -> bool:
    return True


def _answers() -> bool:
    """Whether the cluster is still there: not all that Ray says has to do with a run."""
    if not ray.is_initialized():  # the command is ending; a call would start another cluster
        return False
    try:  # without a head, even to ask takes until Ray ends the process
        return beside(lambda: ray.get(_here.remote()), ANSWER_S)
    except (ray.exceptions.RayError, ConnectionError, TimeoutError):
        return False


def _trainer(config: RunConfig, folder: RunFolder, job: Job) -> ray.train.torch.TorchTrainer:
    """Ray Train writes its checkpoints into the run folder: <run>/checkpoints/step-..."""
    cluster = config.cluster
    resources = {"CPU": float(cluster.cpus_per_worker)}
    if cluster.gpus_per_worker:
        resources["GPU"] = cluster.gpus_per_worker
    return ray.train.torch.TorchTrainer(
        train_worker,  # type: ignore[arg-type]  # what it returns comes back, mypy does not know
        train_loop_config={"job": job},
        scaling_config=ray.train.ScalingConfig(
            num_workers=cluster.workers,  # type: ignore[arg-type]  # Train V1 had no range
            use_gpu=bool(cluster.gpus_per_worker),
            resources_per_worker=resources,
        ),
        run_config=ray.train.RunConfig(
            name=f"{folder.name}/{CHECKPOINTS}",  # the dashboard shows it
            storage_path=folder.storage_path,
            storage_filesystem=folder.filesystem,
            failure_config=ray.train.FailureConfig(max_failures=0),  # see _train
            # mypy takes this for the RunConfig of Ray Train V1.
            worker_runtime_env={"env_vars": worker_environment()},  # type: ignore[call-arg]
        ),
    )
