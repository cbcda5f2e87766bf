"""What each training process does: `train_worker` runs once per process under Ray Train."""

from __future__ import annotations

import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple, cast

import ray
import ray.train
import ray.train.torch
import torch
from torch import nn

from cluster.data import Indices, local_index
from cluster.ingest import RayBatches
from cluster.reporter import RayReporter
from mtl.benchmark.following import track_share
from mtl.config.schema import RunConfig
from mtl.evaluation.one_pass import summarize
from mtl.models.model_file import load_model
from mtl.models.tracker import OnlineModel
from mtl.models.weights import start_from
from mtl.tasks.build import build_task
from mtl.tracking.tracker import Tracker
from mtl.training.distributed import gather_objects, world
from mtl.training.loop import Run, train
from mtl.training.plan import plan_of
from mtl.training.run_folder import RunFolder, RunWriter
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState


class Job(NamedTuple):
    """What the driver hands to every worker."""

    config: RunConfig
    indices: Any
    """Reference of the `Indices` in the object store."""
    board: Any
    """Handle of the `Board` actor."""


def train_worker(loop_config: dict[str, Job]) -> None:
    """Train from the last checkpoint or the start to the end, then track with the best weights."""
    job = loop_config["job"]
    config, rank = job.config, world()[0]
    indices: Indices = ray.get(job.indices)
    torch.set_num_threads(config.training.num_threads or config.cluster.cpus_per_worker)
    device = ray.train.torch.get_device()
    state = _last_state()
    task = build_task(config, indices.train)
    seed_weights(config.seed)
    model = task.build_model()
    started = None
    if config.model.init and not state.model:
        started = start_from(model, Path(config.model.init))
    model = model.to(device)
    folder = RunFolder(config.storage, str(config.name))
    writer = None if rank else RunWriter(folder, config, state.step)
    reporter = RayReporter(config, job.board, writer, len(state.history))
    if rank == 0 and state.step:
        reporter.message(f"going on at step {state.step} of run '{config.name}'")
    if rank == 0 and started:
        for line in (started.summary(), *started.notes):
            reporter.message(line)
    batches = RayBatches(config, indices.train, indices.val, device)
    train(Run(config, task, model, device, batches, reporter), state)
    if not state.finished:
        _track(job, indices, model, device, folder, state, reporter)
    if writer:
        writer.close()


def _track(
    job: Job,
    indices: Indices,
    model: nn.Module,
    device: torch.device,
    folder: RunFolder,
    state: TrainingState,
    reporter: RayReporter,
) -> None:
    """Every rank tracks its share of the sequences, then the last lines and state are kept."""
    config, (rank, size) = job.config, world()
    with tempfile.TemporaryDirectory() as scratch:
        weights, _ = load_model(folder.download(Path(scratch), "model.safetensors"))
        model.load_state_dict(weights)
        model.eval()
        for split, shipped in indices.tracked.items():
            index = local_index(config.data, shipped)
            count = min(index.num_sequences, config.evaluation.max_sequences or sys.maxsize)
            if rank == 0:
                reporter.message(f"tracking {count} sequences of split '{split}'")
            started = time.monotonic()
            results = Path(scratch) / "results"
            tracker = Tracker(cast(OnlineModel, model), config.model, device)
            share = map(index.sequence, range(rank, count, size))
            mine = list(track_share(tracker, share, config.data, results, str(config.name)))
            folder.upload(results, "results")
            everyone = list(itertools.chain.from_iterable(gather_objects(mine)))
            state.seconds += time.monotonic() - started
            summary = summarize(everyone)
            plan = plan_of(config)
            state.history.append(
                {"epoch": plan.num_epochs, "stage": "tracking", "split": split}
                | {"step": state.step, "samples": state.step * config.training.batch_size}
                | {"seconds": round(state.seconds, 3), **summary.metrics}
            )
    state.finished = True
    state.model = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    reporter.checkpoint(state, improved=False)


def _last_state() -> TrainingState:
    checkpoint = ray.train.get_checkpoint()
    if checkpoint is None:
        return TrainingState()
    with checkpoint.as_directory() as path:
        return TrainingState.load(Path(path))
