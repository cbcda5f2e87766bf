"""Writing a tracker as programs: convert, read back, compare, and only then keep."""

from __future__ import annotations

import json
import logging
import os
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, cast

import torch
from torch import nn
from torch.export import ExportedProgram

from mtl.config.schema import TrackerRunConfig
from mtl.config.tracker_run import as_tracker
from mtl.errors import ExportError
from mtl.files import write_atomically
from mtl.models.condition_head import ConditionHead
from mtl.models.export.check import compare
from mtl.models.export.convert import graph_of
from mtl.models.export.description import describe
from mtl.models.export.formats import FORMATS, Format
from mtl.models.export.hiptrack import ExportableHIPTrack
from mtl.models.export.program import Exportable, Program, Run
from mtl.models.export.simtrack import ExportableSimTrack
from mtl.models.model_file import load_model, open_model, save_model

FAMILIES: dict[str, Callable[[Any, bool], Exportable]] = {
    "hiptrack": ExportableHIPTrack,
    "simtrack": ExportableSimTrack,
}
MODEL_FILE = "model.safetensors"
SIDECAR = "export.json"
FORMAT_NAMES = ("safetensors", *FORMATS)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What is exported."""

    model: nn.Module
    config: TrackerRunConfig
    metrics: dict[str, Any]
    """Of the model file."""
    conditions: bool
    """Whether the step answers with condition probabilities."""
    device: torch.device

    @cached_property
    def exportable(self) -> Exportable:
        """The model and its programs."""
        return FAMILIES[self.config.model.family](self.model, self.conditions)

    @cached_property
    def programs(self) -> tuple[Program, Program]:
        """Start and step."""
        return self.exportable.start, self.exportable.step

    @cached_property
    def graphs(self) -> tuple[ExportedProgram, ExportedProgram]:
        """Recorded once for all formats."""
        start, step = self.programs
        return graph_of(start, self.device), graph_of(step, self.device)


class Output(Protocol):
    """One format's files."""

    files: dict[str, str]
    """Names by what they hold."""

    def write(self, subject: Subject, folder: Path) -> None:
        """Write them."""

    def load(self, subject: Subject, folder: Path) -> tuple[Run, Run]:
        """Start and step from the files alone."""


class WeightFile:
    """Weights and config for this project: what `open_model` and `model.init` take."""

    def __init__(self) -> None:
        self.files = {"model": MODEL_FILE}

    def write(self, subject: Subject, folder: Path) -> None:
        """See `Output.write`."""
        weights = subject.model.state_dict()
        save_model(folder / MODEL_FILE, weights, subject.config, subject.metrics)

    def load(self, subject: Subject, folder: Path) -> tuple[Run, Run]:
        """See `Output.load`."""
        model, config = open_model(folder / MODEL_FILE)
        model.to(subject.device)
        again = FAMILIES[config.model.family](model, subject.conditions)
        start, step = again.start.module, again.step.module
        return lambda x: list(start(*x)), lambda x: list(step(*x))


class ProgramFiles:
    """Start and step in a format that runs without this project."""

    def __init__(self, form: Format) -> None:
        self.form = form
        self.files = {name: f"{name}{form.suffix}" for name in ("start", "step")}

    def write(self, subject: Subject, folder: Path) -> None:
        """See `Output.write`."""
        for graph, program in zip(subject.graphs, subject.programs, strict=True):
            self.form.write(graph, program, folder / self.files[program.name])

    def load(self, subject: Subject, folder: Path) -> tuple[Run, Run]:
        """See `Output.load`."""
        start, step = (self.form.load(folder / name) for name in self.files.values())
        return start, step


def read_subject(
    source: Path, conditions: bool, without_head: bool, device: torch.device
) -> Subject:
    """The model of a run folder or model file as it is to be exported.

    A condition head that changes no box and answers nothing is left out.

    Args:
        source: run folder or model file.
        conditions: whether the step answers with condition probabilities.
        without_head: insist that there is no condition head.
        device: where programs that name a device will run.

    Raises:
        CheckpointError: the model cannot be read.
        ExportError: the model has no head to answer with, or needs the one that is not wanted.
    """
    opened, saved = open_model(source)
    config = as_tracker(saved, str(source))
    model = cast(Any, opened)
    _, metadata = load_model(source / MODEL_FILE if source.is_dir() else source)
    head: ConditionHead | None = model.condition_head
    if conditions and head is None:
        raise ExportError(
            f"{source} has no condition head, as mode={config.mode} says; "
            "leave out --with-conditions."
        )
    if without_head and head is not None and head.fuses:
        raise ExportError(
            f"the boxes of {source} depend on its condition head, as head.fusion={config.fusion} "
            "says; leave out --without-head."
        )
    if head is not None and not conditions and not head.fuses:
        model.condition_head = None
        config = config.model_copy(update={"mode": "pretrained"})
    model.requires_grad_(False).to(device)
    return Subject(model, config, json.loads(metadata.get("metrics", "{}")), conditions, device)


def outputs_of(names: Sequence[str]) -> dict[str, Output]:
    """The outputs that are asked for.

    Raises:
        ExportError: a name is unknown, there is none, or a package is missing.
    """
    outputs: dict[str, Output] = {}
    for name in names:
        if name not in FORMAT_NAMES:
            raise ExportError(f"'{name}' is no format; formats are {', '.join(FORMAT_NAMES)}.")
        if name in FORMATS:
            FORMATS[name].require()
        outputs[name] = ProgramFiles(FORMATS[name]) if name in FORMATS else WeightFile()
    return outputs


def export(
    subject: Subject,
    outputs: dict[str, Output],
    folder: Path,
    facts: dict[str, Any],
    announce: Callable[[str], None],
) -> None:
    """Write a tracker in several formats, each of them checked before it is kept.

    Args:
        subject: from `read_subject`.
        outputs: from `outputs_of`.
        folder: new or empty.
        facts: what else export.json says.
        announce: is told of every format that passed.

    Raises:
        ExportError: the folder is not empty, or a format failed; its files are gone then.
    """
    require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    passed: dict[str, Any] = {}
    failed: list[str] = []
    for name, output in outputs.items():
        try:
            differences = _write_checked(subject, output, folder)
        except Exception as error:  # converters raise what they like; the other formats go on
            _log.debug("export to %s failed", name, exc_info=True)
            failed.append(f"{name} ({' '.join(str(error).split())[:300].rstrip('.')})")
            continue
        passed[name] = {"files": output.files, "largest_differences": differences}
        pixels = differences["box_cxcywh"] * subject.config.model.search.size
        files = ", ".join(output.files.values())
        announce(f"{name}: {files}; boxes within {pixels:.1e} pixels of the model's")
    if passed:
        told = describe(subject.exportable, subject.config)
        sidecar = {**told, **facts, "device": subject.device.type, "formats": passed}
        write_atomically(folder / SIDECAR, json.dumps(sidecar, indent=2).encode())
    if failed:
        raise ExportError(f"export to {folder} failed for {' and '.join(failed)}.")


def require_empty(folder: Path) -> None:
    """Raise ExportError unless `folder` is absent or empty."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ExportError(f"{folder} exists and is not an empty folder; name a new one.")


def _write_checked(subject: Subject, output: Output, folder: Path) -> dict[str, float]:
    """Files appear in `folder` when they were compared with the model, and never otherwise."""
    with tempfile.TemporaryDirectory(prefix=".unchecked-", dir=folder) as name:
        unchecked = Path(name)
        output.write(subject, unchecked)
        start, step = output.load(subject, unchecked)
        differences = compare(subject.exportable, start, step, subject.device)
        for file in output.files.values():
            os.replace(unchecked / file, folder / file)
    return differences
