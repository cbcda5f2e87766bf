from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from mtl.errors import ExportError
from mtl.models.export.check import compare
from mtl.models.export.program import Exportable, Run
from mtl.models.export.write import FAMILIES
from tests.models.export.exported import small_tracker

CPU = torch.device("cpu")
SIZES = {"size_features": True}


def programs(exportable: Exportable) -> tuple[Run, Run]:
    start, step = exportable.start.module, exportable.step.module
    return lambda x: list(start(*x)), lambda x: list(step(*x))


@pytest.mark.parametrize("conditions", [False, True])
@pytest.mark.parametrize("fusion", ["none", "residual", "film"])
@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_a_step_says_what_the_model_says(family: str, fusion: str, conditions: bool) -> None:
    exportable = FAMILIES[family](small_tracker(family, fusion, **SIZES), conditions)
    largest = compare(exportable, *programs(exportable), CPU)
    assert ("conditions" in largest) == conditions
    assert {port.name for port in exportable.step.outputs} <= largest.keys()
    inputs = {port.name for port in exportable.step.inputs}
    assert ("size_features" in inputs) == (conditions or fusion != "none")
    assert max(largest.values()) < 1e-4


def spoiled(step: Run, output: int, amount: float) -> Run:
    def run(inputs: Sequence[Tensor]) -> list[Tensor]:
        outputs = step(inputs)
        outputs[output] = outputs[output] + amount
        return outputs

    return run


@pytest.mark.parametrize("amount", [2e-5, float("nan"), float("inf")])
@pytest.mark.parametrize("family", ["hiptrack", "simtrack"])
def test_a_wrong_box_is_seen(family: str, amount: float) -> None:
    exportable = FAMILIES[family](small_tracker(family, "none"), False)
    start, step = programs(exportable)
    with pytest.raises(ExportError, match="output 'box_cxcywh' differs"):
        compare(exportable, start, spoiled(step, 0, amount), CPU)


def test_a_lost_memory_is_seen() -> None:
    exportable = FAMILIES["hiptrack"](small_tracker("hiptrack", "none"), False)
    start, step = programs(exportable)

    def forgets(inputs: Sequence[Tensor]) -> list[Tensor]:
        outputs = step(inputs)
        return [*outputs[:2], *(torch.zeros_like(tensor) for tensor in outputs[2:])]

    with pytest.raises(ExportError, match="differs from the model's"):
        compare(exportable, start, forgets, CPU)


def test_a_schedule_that_is_off_by_one_is_seen() -> None:
    exportable = FAMILIES["hiptrack"](small_tracker("hiptrack", "none"), False)
    start, step = programs(exportable)
    with pytest.raises(ExportError, match="differs from the model's"):
        compare(exportable, start, lambda x: step([*x[:6], x[6] + 1]), CPU)


def test_another_shape_or_type_is_seen() -> None:
    exportable = FAMILIES["simtrack"](small_tracker("simtrack", "none"), False)
    start, step = programs(exportable)
    with pytest.raises(ExportError, match=r"output 'box_cxcywh' is torch.float64 \(1, 4\)"):
        compare(exportable, start, lambda x: [tensor.double() for tensor in step(x)], CPU)
