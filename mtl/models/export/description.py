"""export.json: what a program's user has to know that its files do not say."""

from __future__ import annotations

import platform
from typing import Any

import numpy as np
import torch

from mtl.config.schema import TrackerRunConfig
from mtl.models.export.program import Exportable, Port, Program

TEMPLATE_BOX = {
    "hiptrack": (
        "in pixels of the crop: w and h are the box's times the resize factor, x and y put its "
        "centre at (size - 1) / 2; all over size"
    ),
    "simtrack": (
        "in pixels of the crop: w and h are the box's times the resize factor, x = size / 2 - w / 2"
        " and y = size / 2 - h / 2 cut to whole pixels towards zero; all over size"
    ),
}
"""Where the first box lies in its crop, by model family."""

CROP = (
    "a square of ceil(sqrt(w h) * factor) pixels around the last box (the first one for the "
    "template), black outside the picture, resized to size with bilinear interpolation; the resize "
    "factor is size over that side"
)
BOX = (
    "times size / resize factor, in pixels from the upper left corner of the square; then cut to "
    "the picture so that at least 10 pixels of it stay inside"
)


def describe(exportable: Exportable, config: TrackerRunConfig) -> dict[str, Any]:
    """All of export.json that does not depend on which files there are."""
    model = config.model
    head = exportable.answer.head
    return {
        "family": model.family,
        "programs": {program.name: _program(program) for program in _programs(exportable)},
        "crops": {
            "template": model.template.model_dump(),
            "search": model.search.model_dump(),
            "how": CROP,
            "template_box_xywh": TEMPLATE_BOX[model.family],
            "box_cxcywh": BOX,
        },
        "conditions": None if head is None else list(head.names),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": np.__version__,
        },
    }


def _programs(exportable: Exportable) -> tuple[Program, Program]:
    return exportable.start, exportable.step


def _program(program: Program) -> dict[str, Any]:
    return {
        "inputs": [_port(port) for port in program.inputs],
        "outputs": [{**_port(port), "tolerance": port.tolerance} for port in program.outputs],
    }


def _port(port: Port) -> dict[str, Any]:
    return {
        "name": port.name,
        "shape": list(port.shape),
        "dtype": str(port.dtype).removeprefix("torch."),
        "meaning": port.meaning,
    }
