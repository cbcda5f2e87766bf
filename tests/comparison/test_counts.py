from __future__ import annotations

from typing import Any

import pytest
import torch

from mtl.comparison.counts import flops, parameters
from mtl.comparison.variants import variants_of
from mtl.comparison.work import TrackedFrame, TrainingStep

CPU = torch.device("cpu")
TINY = ["training.batch_size=2", "model.backbone.depth=2"]
HIPTRACK_TINY = [*TINY, "model.backbone.elimination_blocks=[1]"]


@pytest.mark.parametrize(
    ("preset", "head", "total"),
    [
        # Published models and heads, SimTrack's also with its fusion (CLASSIFICATION.md, G14).
        ("simtrack", [0, 136_714, 268_042, 405_002], 88_643_458),
        ("hiptrack", [0, 398_858, 792_842, 1_192_458], 120_410_880),
    ],
)
def test_published_sizes(preset: str, head: list[int], total: int) -> None:
    counted = [parameters(variant.config) for variant in variants_of(preset)]
    assert [of_head for _, of_head in counted] == head
    assert [whole - of_head for whole, of_head in counted] == [total] * 4


class Product:
    """A work of known size."""

    def __init__(self, *shapes: tuple[int, ...]) -> None:
        self.tensors = [torch.randn(shape) for shape in shapes]

    def __call__(self) -> None:
        first, *rest = self.tensors
        if len(rest) == 1:
            first @ rest[0]
        else:
            torch.nn.functional.scaled_dot_product_attention(first, *rest)


def test_operations_of_known_works() -> None:
    works: list[Any] = [Product((3, 4), (4, 5)), Product(*[(1, 2, 6, 8)] * 3)]
    assert flops(works[0]) == 2 * 3 * 4 * 5
    assert flops(works[1]) == 2 * (2 * 2 * 6 * 6 * 8)


@pytest.mark.parametrize(("preset", "words"), [("demo", HIPTRACK_TINY), ("simtrack_small", TINY)])
def test_a_head_without_fusion_costs_a_tracked_frame_nothing(preset: str, words: list[str]) -> None:
    variants = variants_of(preset, words)
    frame = [flops(TrackedFrame(variant.config, CPU)) for variant in variants]
    step = [flops(TrainingStep(variant.config, CPU)) for variant in variants]
    assert frame[0] == frame[1] < frame[2] < frame[3]
    assert step[0] < step[1] < step[2] < step[3]
