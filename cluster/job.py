"""One run on Ray, from a resolved config to its finished folder."""

from __future__ import annotations

import logging
import os
import socket
from typing import Any

import ray
import ray.train
import ray.train.torch
from rich.console import Console

from cluster.failures import Action, decide
from cluster.progress import Board, Display
from cluster.settings import worker_environment
from cluster.worker import Job, train_worker
from mtl.config.schema import EvaluateConfig, RunConfig
from mtl.errors import MtlError, ResourceError
from mtl.families import Indices
from mtl.training.run_folder import RunFolder


def connect(config: RunConfig | EvaluateConfig) -> bool:
    """Join the cluster this process belongs to, or start one on this machine.

    Returns:
        Whether a cluster was started, which its starter should shut down.

    Raises:
        ResourceError: RAY_ADDRESS names a cluster that does not answer.
    """
    if ray.is_initialized():
        return False
    _require_answer(os.environ.get("RAY_ADDRESS", ""))
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    try:
        ray.init(address="auto", **quiet)
        return False
    except ConnectionError:
        cluster = config.cluster
        # Logical CPUs: the workers' own, and two for Ray Data's tasks, on however few cores.
        cpus = max(os.cpu_count() or 1, cluster.workers * cluster.cpus_per_worker + 2)
        ray.init(address="local", num_cpus=cpus, object_store_memory=512 << 20, **quiet)
        return True


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


def run_training(config: RunConfig, indices: Indices, folder: RunFolder, console: Console) -> None:
    """Train with as many attempts as `cluster.max_failures` allows.

    Raises:
        MtlError: the run ended before its time; the message says why in one sentence.
    """
    board = Board.remote()  # type: ignore[attr-defined]
    job = Job(config, ray.put(indices), board)
    failures = 0
    with Display(console, board):
        while True:
            try:
                _trainer(config, folder, job).fit()
                return
            except ray.train.TrainingFailedError as error:
                failures += 1
                decision = decide(error, failures, config.cluster.max_failures)
                if decision.action is Action.GIVE_UP:
                    raise MtlError(decision.reason) from error
                console.print(decision.reason, style="yellow", markup=False)


def _trainer(config: RunConfig, folder: RunFolder, job: Job) -> ray.train.torch.TorchTrainer:
    """Ray Train writes its checkpoints into the run folder: <run>/checkpoints/step-..."""
    cluster = config.cluster
    resources = {"CPU": float(cluster.cpus_per_worker)}
    if cluster.gpus_per_worker:
        resources["GPU"] = cluster.gpus_per_worker
    return ray.train.torch.TorchTrainer(
        train_worker,
        train_loop_config={"job": job},
        scaling_config=ray.train.ScalingConfig(
            num_workers=cluster.workers,
            use_gpu=bool(cluster.gpus_per_worker),
            resources_per_worker=resources,
        ),
        run_config=ray.train.RunConfig(
            name="checkpoints",
            storage_path=folder.path,
            storage_filesystem=folder.filesystem,
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=config.checkpoint.keep),
            failure_config=ray.train.FailureConfig(max_failures=0),  # see run_training
            # mypy takes this for the RunConfig of Ray Train V1.
            worker_runtime_env={"env_vars": worker_environment()},  # type: ignore[call-arg]
        ),
    )
