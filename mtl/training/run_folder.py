"""A run's folder, local or behind a URI: what lies in it and how it is written.

Text and pictures are written whole, under a temporary name first where the file system can rename,
so that a reader or a crash never meets half a file.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.fs
import torch
from tensorboardX import SummaryWriter

from mtl.config.load import to_yaml
from mtl.config.schema import RunConfig
from mtl.models.model_file import save_model
from mtl.training.checkpoints import CHECKPOINTS, FINAL, Checkpoints
from mtl.training.storage import open_storage, put

TENSORBOARD_NAMES = {
    "iou": "IoU",
    "accuracy": "Accuracy",
    "balanced_accuracy": "BalancedAccuracy",
    "attribute_accuracy": "AttributeAccuracy",
    "attribute_f1": "AttributeF1",
    "learning_rate": "LearningRate",
    "samples_per_second": "SamplesPerSecond",
    "data_wait_share": "DataWaitShare",
    "ao": "AO",
    "sr_50": "SR/50",
    "sr_75": "SR/75",
    "fps": "FPS",
    "gradient_conflict": "GradientConflict",
    "map": "mAP",
    "map_50": "mAP/50",
    "miou": "mIoU",
    "top1": "Top1",
    "score": "Score",
}
TENSORBOARD_FAMILIES = {
    "loss/": "Loss/",
    "weight/": "Weight/",
    "gradient_norm/": "GradientNorm/",
    "gradient_cosine/": "GradientCosine/",
}
"""Beginnings of names that end in a loss, a task or a pair of tasks."""


def curve_name(name: str) -> str | None:
    """The TensorBoard curve of a metric; none where it has no curve."""
    for start, family in TENSORBOARD_FAMILIES.items():
        if name.startswith(start):
            return family + name.removeprefix(start)
    return TENSORBOARD_NAMES.get(name)


class RunFolder:
    """`<storage>/<name>/` on any file system that pyarrow opens."""

    def __init__(self, storage: str, name: str) -> None:
        self.storage, self.name = storage, name
        self.filesystem, self.storage_path = open_storage(storage)
        self.path = f"{self.storage_path}/{name}"

    @property
    def local(self) -> Path | None:
        """The folder as a local path, none when it is remote."""
        return Path(self.path) if isinstance(self.filesystem, pyarrow.fs.LocalFileSystem) else None

    @property
    def place(self) -> str:
        """Where it is, for people: a path or a URI, without what a URI says to log in."""
        scheme, remote, _ = self.storage.partition("://")
        return f"{scheme}://{self.path}" if remote else self.path

    def exists(self) -> bool:
        """Whether a run of this name has begun here."""
        return self.has("config.yaml")

    def finished(self) -> bool:
        """Whether the run has been brought to its end: trained, and its final evaluation done."""
        return any(name.endswith(FINAL) for name in self.checkpoints.complete())

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's states."""
        return Checkpoints(self.filesystem, f"{self.path}/{CHECKPOINTS}")

    def has(self, name: str) -> bool:
        """Whether the folder holds this file."""
        info = self.filesystem.get_file_info(f"{self.path}/{name}")
        return bool(info.type == pyarrow.fs.FileType.File)

    def read_text(self, name: str) -> str:
        """A text file of the folder."""
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            return str(stream.read().decode("utf-8"))

    def write_text(self, name: str, text: str) -> None:
        """Replace a text file of the folder, whole or not at all."""
        self._write(name, text.encode("utf-8"))

    def upload(self, folder: Path, name: str = "") -> None:
        """Copy the files below a local folder into this one (under `name`)."""
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                place = file.relative_to(folder).as_posix()
                self._write(f"{name}/{place}" if name else place, file.read_bytes())

    def download(self, folder: Path, name: str) -> Path:
        """Copy one file of the folder to a local folder; returns its path there."""
        target = folder / Path(name).name
        with self.filesystem.open_input_stream(f"{self.path}/{name}") as stream:
            target.write_bytes(stream.read())
        return target

    def download_tree(self, folder: Path, name: str) -> None:
        """Copy what lies below a sub-folder, if it exists, under the same name into `folder`."""
        source = f"{self.path}/{name}"
        if self.filesystem.get_file_info(source).type == pyarrow.fs.FileType.Directory:
            target = folder / name
            target.mkdir(parents=True)
            pyarrow.fs.copy_files(source, str(target), source_filesystem=self.filesystem)

    def delete(self, name: str) -> None:
        """Remove a file of the folder, if it is there."""
        if self.has(name):
            self.filesystem.delete_file(f"{self.path}/{name}")

    def _write(self, name: str, content: bytes) -> None:
        put(self.filesystem, f"{self.path}/{name}", content)


class RunWriter:
    """Writes a run's config, metric lines, TensorBoard events and best weights; rank 0 has one."""

    def __init__(
        self, folder: RunFolder, config: RunConfig, first_step: int, class_names: Any = None
    ) -> None:
        self.folder = folder
        self.config = config
        self._class_names = class_names
        folder.write_text("config.yaml", to_yaml(config))
        local = folder.local
        self._events = local / "tensorboard" if local else Path(tempfile.mkdtemp())
        self._writers = {
            split: SummaryWriter(str(self._events / split), purge_step=first_step + 1)
            for split in ("train", "val")
        }

    def scalars(self, split: str, step: int, values: dict[str, Any]) -> None:
        """Points of the TensorBoard curves; names without a curve are left out."""
        for name, value in values.items():
            curve = curve_name(name)
            if curve and split in self._writers:
                self._writers[split].add_scalar(curve, value, step)

    def lines(self, history: Sequence[dict[str, Any]]) -> None:
        """Replace metrics.jsonl by these lines and bring the events to storage."""
        self.folder.write_text("metrics.jsonl", "".join(json.dumps(x) + "\n" for x in history))
        for writer in self._writers.values():
            writer.flush()
        if not self.folder.local:
            self.folder.upload(self._events, "tensorboard")

    def best_model(self, weights: dict[str, torch.Tensor], metrics: dict[str, Any]) -> None:
        """Replace model.safetensors."""
        with tempfile.TemporaryDirectory() as scratch:
            file = Path(scratch) / "model.safetensors"
            save_model(file, weights, self.config, metrics, classes=self._class_names)
            self.folder.upload(Path(scratch))

    def close(self) -> None:
        """Finish the event files."""
        for writer in self._writers.values():
            writer.close()
        if not self.folder.local:
            self.folder.upload(self._events, "tensorboard")
            shutil.rmtree(self._events, ignore_errors=True)
