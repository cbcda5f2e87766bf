"""A worker's news: to the terminal, to the run folder, and as a checkpoint to Ray Train."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import ray.train

from cluster.progress import News
from mtl.config.schema import RunConfig
from mtl.training.plan import plan_of
from mtl.training.run_folder import FINAL, RunWriter
from mtl.training.state import TrainingState

STEP_CURVES = ("loss/total", "learning_rate", "weight/", "gradient_")
"""Training metrics whose curves have points of single steps, so none of epochs."""


class RayReporter:
    """`mtl.training.loop.Reporter` on Ray. Only rank 0 has a writer and hands over files."""

    def __init__(
        self, config: RunConfig, board: Any, label: str, writer: RunWriter | None, told: int
    ) -> None:
        self._config = config
        self._board = board
        self._label = label
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
        """Write what is new and let Ray Train keep the state; waits for all ranks."""
        lines = state.history[self._told :]
        self._told = len(state.history)
        name = f"step-{state.step:08d}" + (FINAL if state.finished else "")
        metrics = {k: v for line in lines for k, v in line.items() if isinstance(v, (int, float))}
        metrics["step"] = state.step
        if self._writer is None:
            ray.train.report(metrics, checkpoint=None, checkpoint_dir_name=name)
            return
        if improved:
            self._writer.best_model(state.model, metrics)
        if lines:
            self._publish(state, lines)
        folder = Path(tempfile.mkdtemp(prefix="mtl-checkpoint-"))
        state.save(folder, self._config.model_dump(mode="json"))
        ray.train.report(
            metrics,
            checkpoint=ray.train.Checkpoint.from_directory(str(folder)),
            checkpoint_dir_name=name,
            checkpoint_upload_mode=ray.train.CheckpointUploadMode.ASYNC,
        )

    def _post(self, news: News) -> None:
        self._board.post.remote({**news, "label": self._label})

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
