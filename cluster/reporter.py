"""A worker's news: to the terminal, to the run folder, and its state to where states are kept."""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train

from cluster.progress import News
from cluster.scratch import remove_abandoned, scratch_folder
from mtl.config.schema import RunConfig
from mtl.training.checkpoints import Checkpoints, checkpoint_name
from mtl.training.plan import plan_of
from mtl.training.run_folder import RunWriter
from mtl.training.state import TrainingState

STEP_CURVES = ("loss/total", "learning_rate", "weight/", "gradient_")
"""Training metrics whose curves have points of single steps, so none of epochs."""


Keep = Callable[[dict[str, Any], TrainingState | None], None]
"""Keeps a state, with the metrics that are new; rank 0 alone has a state to keep."""


class RunReporter:
    """`mtl.training.run.Reporter` on Ray. Only rank 0 has a writer and hands over files."""

    def __init__(
        self,
        config: RunConfig,
        post: Callable[[News], None],
        keep: Keep,
        writer: RunWriter | None,
        told: int,
    ) -> None:
        """Take what differs from place to place.

        Args:
            config: of the run.
            post: takes news for the terminal.
            keep: keeps states.
            writer: of the run folder, on rank 0.
            told: lines of the history that were told before.
        """
        self._config = config
        self._post = post
        self._keep = keep
        self._writer = writer
        self._told = told
        self._plan = plan_of(config)
        self._latest: News = {}

    def message(self, text: str) -> None:
        """One line for the terminal."""
        self._post({"message": text})

    def progress(self, news: dict[str, Any]) -> None:
        """Show the last steps and add them to the curves."""
        self._latest = news
        self._post(news)
        if self._writer:
            self._writer.scalars("train", news["step"], news["losses"] | news)

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        """Write what is new and keep the state; may wait for all ranks."""
        lines = state.history[self._told :]
        self._told = len(state.history)
        metrics = {k: v for line in lines for k, v in line.items() if isinstance(v, (int, float))}
        metrics["step"] = state.step
        if self._writer is None:
            self._keep(metrics, None)
            return
        if improved:
            self._writer.best_model(state.model, metrics)
        if lines:
            self._publish(state, lines)
        self._keep(metrics, state)

    def _publish(self, state: TrainingState, lines: list[News]) -> None:
        assert self._writer is not None
        self._writer.lines(state.history)
        for line in lines:
            training = line["split"] == "train"
            self._writer.scalars(
                line["split"],
                state.step,
                {k: v for k, v in line.items() if not (training and k.startswith(STEP_CURVES))},
            )
        if self._latest:
            speed = {k: self._latest[k] for k in ("samples_per_second", "eta_s")}
            lines = [*lines[:-1], lines[-1] | speed]
        self._post({"lines": lines, "num_epochs": self._plan.num_epochs})


COPIES = 2
"""States in memory at a time that are not in storage yet; with more to keep, training waits."""


def keep_in_ray_train(config: RunConfig, checkpoints: Checkpoints) -> Keep:
    """Keeps states as checkpoints of Ray Train; waits for all ranks.

    Training goes on once the state is copied. Ray has it written and brought to storage in a thread
    beside, but leaves to `checkpoints` how.
    """
    remove_abandoned()
    filesystem = ray.train.get_context().get_storage().storage_filesystem
    resolved = config.model_dump(mode="json")
    copies = weakref.WeakSet[TrainingState]()

    def keep(metrics: dict[str, Any], state: TrainingState | None) -> None:
        if state is None:
            ray.train.report(metrics)
            return
        while len(copies) >= COPIES:
            time.sleep(0.01)
        copy = state.snapshot()
        copies.add(copy)

        def bring(local: ray.train.Checkpoint, name: str) -> ray.train.Checkpoint:
            copy.save(Path(local.path), resolved)
            checkpoints.bring(Path(local.path), name, config.checkpoint.keep)
            return ray.train.Checkpoint(f"{checkpoints.path}/{name}", filesystem)

        ray.train.report(
            metrics,
            checkpoint=ray.train.Checkpoint.from_directory(scratch_folder()),
            checkpoint_dir_name=checkpoint_name(state),
            checkpoint_upload_mode=ray.train.CheckpointUploadMode.ASYNC,
            checkpoint_upload_fn=bring,
        )

    return keep
