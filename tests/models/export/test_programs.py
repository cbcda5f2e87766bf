from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch

from mtl.models.export.convert import graph_of
from mtl.models.export.formats import FORMATS
from mtl.models.export.program import Exportable, Run
from mtl.models.export.write import FAMILIES
from mtl.tracking.tracker import Tracker
from tests.models.export.exported import (
    FRAMES,
    ExportedModel,
    Recorder,
    config_of,
    sequence,
    small_tracker,
)

CPU = torch.device("cpu")
RENDERED = sequence()


class Followed(NamedTuple):
    in_picture: np.ndarray
    """(30, 4) pixels."""
    in_crop: np.ndarray
    """(30, 4) pixels of the search crop; these no clipping makes equal."""
    scores: np.ndarray
    memory: Any


def follow(model: Any, family: str) -> Followed:
    config = config_of(family)
    recorder = Recorder(model)
    tracker = Tracker(recorder, config, CPU)
    tracker.init(RENDERED.frames[0], RENDERED.boxes[0])
    results = [tracker.update(frame) for frame in RENDERED.frames[1:]]
    assert tracker.state is not None
    return Followed(
        np.stack([result.box_xywh for result in results]),
        torch.stack(recorder.boxes).numpy() * config.search.size,
        np.array([result.score for result in results]),
        tracker.state.memory,
    )


def eager(exportable: Exportable) -> tuple[Run, Run]:
    start, step = exportable.start.module, exportable.step.module
    return lambda x: list(start(*x)), lambda x: list(step(*x))


def assert_follows(family: str, exportable: Exportable, runs: tuple[Run, Run]) -> None:
    wanted = follow(exportable.model, family)
    found = follow(ExportedModel(exportable, *runs), family)
    assert len(found.in_picture) == FRAMES
    assert np.ptp(wanted.in_crop[:, :2], axis=0).min() > 0.5, "the model's boxes should move"
    np.testing.assert_allclose(found.in_picture, wanted.in_picture, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.in_crop, wanted.in_crop, rtol=0, atol=1e-3)
    np.testing.assert_allclose(found.scores, wanted.scores, rtol=0, atol=1e-4)
    last = exportable.memory_tensors(wanted.memory)
    for mine, theirs in zip(found.memory, last, strict=True):
        scale = float(theirs.abs().max())
        torch.testing.assert_close(mine, theirs, rtol=0, atol=1e-4 * scale)


@pytest.mark.parametrize("fusion", ["none", "residual", "film"])
@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_pure_steps_are_the_tracker(family: str, fusion: str) -> None:
    exportable = FAMILIES[family](small_tracker(family, fusion), False)
    assert_follows(family, exportable, eager(exportable))


@pytest.mark.parametrize(
    ("family", "fusion"),
    [
        ("simtrack", "residual"),
        pytest.param("hiptrack", "film", marks=pytest.mark.slow),
        pytest.param("hiptrack", "none", marks=pytest.mark.slow),
        pytest.param("hiptrack", "residual", marks=pytest.mark.slow),
        pytest.param("simtrack", "none", marks=pytest.mark.slow),
        pytest.param("simtrack", "film", marks=pytest.mark.slow),
    ],
)
def test_files_follow_a_sequence_as_the_tracker_does(
    family: str, fusion: str, tmp_path: Path
) -> None:
    exportable = FAMILIES[family](small_tracker(family, fusion), False)
    graphs = (graph_of(exportable.start, CPU), graph_of(exportable.step, CPU))
    for form in FORMATS.values():
        runs = []
        for graph, program in zip(graphs, (exportable.start, exportable.step), strict=True):
            path = tmp_path / f"{program.name}{form.suffix}"
            form.write(graph, program, path)
            runs.append(form.load(path))
        assert_follows(family, exportable, (runs[0], runs[1]))
