"""What each training process does: `train_worker` runs once per process under Ray Train."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ray
import ray.train
import ray.train.torch
import torch
from torch import nn

from cluster.gauges import Gauges
from cluster.ingest import RayBatches
from cluster.leaving import Leaving
from cluster.progress import News, lost_steps
from cluster.reporter import Keep, RunReporter, keep_in_ray_train
from cluster.run_log import RunLog
from cluster.stopping import StopAsked
from mtl.config.schema import RunConfig
from mtl.cpu import set_up_cpu
from mtl.errors import ConfigError, StoppedError
from mtl.families import Family, Indices, family_of
from mtl.models.model_file import load_model
from mtl.training.checkpoints import Checkpoints
from mtl.training.distributed import gather_objects, world
from mtl.training.loop import train
from mtl.training.plan import plan_of
from mtl.training.recorded import RecordedBatches
from mtl.training.run import NO_SIGNALS, Batches, Run, Signals, never
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
    label: str = ""
    """In front of the news of a run that is one of several; empty for a run alone."""


def train_worker(loop_config: dict[str, Job]) -> str | None:
    """Train from the last checkpoint or the start to the end, then evaluate the best weights.

    Returns:
        Where it was stopped; none where it came to its end. Ray waits for a checkpoint on its way
        to storage after a return, not after an error.
    """
    job = loop_config["job"]
    checkpoints = RunFolder(job.config.storage, str(job.config.name)).checkpoints

    gauges = Gauges(f"{job.config.name}")
    log = RunLog(f"{job.config.name}", world()[0])
    log.begin()

    def post(news: News) -> None:
        gauges.take(news)
        log.take(news)
        job.board.post.remote({**news, "label": job.label})

    keep_state = keep_in_ray_train(job.config, checkpoints)

    def keep(metrics: dict[str, Any], state: TrainingState | None) -> None:
        log.take({"step": metrics["step"]})  # others than the first worker hear of no other steps
        keep_state(metrics, state)

    post({"begun": True})
    state = _last_state(checkpoints, post)
    if world()[0] == 0:
        post({"begun": True, **lost_steps(job.board, job.label, state.step)})
    try:
        carry_out(
            job.config,
            ray.get(job.indices),
            ray.train.torch.get_device(),
            state,
            post,
            keep,
            _signals(job, post),
        )
    except StoppedError as stopped:
        return str(stopped)
    return None


def _signals(job: Job, post: Callable[[News], None]) -> Signals:
    rank = world()[0]
    leaving = Leaving(rank, post)
    return Signals(
        stop_asked=never if rank else StopAsked(job.board),
        look_due=leaving.due,
        leaving=leaving.found,
    )


def carry_out(
    config: RunConfig,
    indices: Indices,
    device: torch.device,
    state: TrainingState,
    post: Callable[[News], None],
    keep: Keep,
    signals: Signals = NO_SIGNALS,
) -> None:
    """One process's share of a run: training from a state on, then the final evaluation.

    Args:
        config: of the run.
        indices: of its splits.
        device: of this process.
        state: the last that was kept, or a new one.
        post: takes news for the terminal.
        keep: keeps states.
        signals: what reaches this process from outside.

    Raises:
        StoppedError: a process was asked to stop; the state is kept.
    """
    rank = world()[0]
    set_up_cpu(config.training.num_threads or config.cluster.cpus_per_worker)
    family = family_of(config)
    task = family.task(indices, device)
    seed_weights(config.seed)
    model = task.build_model()
    started = [] if state.model else family.start(model)
    model = model.to(device)
    folder = RunFolder(config.storage, str(config.name))
    writer = None if rank else RunWriter(folder, config, state.step, task.class_names)
    reporter = RunReporter(config, post, keep, writer, len(state.history))
    if rank == 0 and state.step:
        reporter.message(f"going on at step {state.step} of run '{config.name}'")
    for line in started if rank == 0 else ():
        reporter.message(line)
    placed = config.of_workers(world()[1])
    batches: Batches = RayBatches(placed, family, indices, device, reporter.message)
    if config.diagnostics.record_samples:
        if folder.local is None:
            raise ConfigError(
                f"diagnostics.record_samples appends to files, which {config.storage} cannot; set "
                "it to false or give storage= a folder."
            )
        record = folder.local / "samples" / f"rank-{rank}.csv"
        batches = RecordedBatches(batches, placed.training.accumulate, record)
    try:
        train(Run(placed, task, model, device, batches, reporter, signals), state)
    except StoppedError:
        if writer:
            writer.close()
        raise
    if not state.finished:
        _evaluate(family, config, indices, model, device, folder, state, reporter)
    if writer:
        writer.close()


def _evaluate(
    family: Family,
    config: RunConfig,
    indices: Indices,
    model: nn.Module,
    device: torch.device,
    folder: RunFolder,
    state: TrainingState,
    reporter: RunReporter,
) -> None:
    """Every rank evaluates its share of the final splits; then the last lines and state are kept.

    With the best weights, which are not always the last.
    """
    rank, size = world()
    plan = plan_of(config)
    with tempfile.TemporaryDirectory() as scratch:
        weights, _ = load_model(folder.download(Path(scratch), "model.safetensors"))
        model.load_state_dict(weights)
        model.eval()
        results = Path(scratch) / "results"
        for split, index in indices.final.items():
            if rank == 0:
                reporter.message(f"{family.final_stage} {family.size(index)} of split '{split}'")
            started = time.monotonic()
            mine = family.evaluate_share(model, index, device, rank, size, results)
            everyone = list(itertools.chain.from_iterable(gather_objects(mine)))
            metrics = {} if rank else family.summarize(index, split, everyone, results)
            folder.upload(results, "results")
            state.seconds += time.monotonic() - started
            state.history.append(
                {"epoch": plan.num_epochs, "stage": family.final_stage, "split": split}
                | {"step": state.step, "samples": state.step * config.training.batch_size}
                | {"seconds": round(state.seconds, 3), **metrics}
            )
    state.finished = True
    state.model = {name: tensor.cpu() for name, tensor in model.state_dict().items()}
    reporter.checkpoint(state, improved=False)


def _last_state(checkpoints: Checkpoints, post: Callable[[News], None]) -> TrainingState:
    """The newest state that is whole; rank 0 chooses for all.

    Raises:
        CheckpointError: there are checkpoints, and none of them can be used.
    """
    found = checkpoints.last() if world()[0] == 0 else None
    name = gather_objects(found.name if found else None)[0]
    if found:
        for sentence in found.told:
            post({"message": sentence})
        return found.state
    if name is None:
        return TrainingState()
    place = f"{checkpoints.path}/{name}"
    with ray.train.Checkpoint(place, checkpoints.filesystem).as_directory() as folder:
        return TrainingState.load(Path(folder), place)
