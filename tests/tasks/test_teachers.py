"""Teachers are asked once, and say the same whether remembered or asked anew."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from torch import Tensor

import mtl.tasks.teachers
from mtl.config.unified import UNIFIED_TASKS
from mtl.models.unified import UnifiedOutput
from mtl.tasks.teachers import Teachers
from tests.models.unified.small import pictures, small_config, small_model

STILL = {"det": False, "seg": True, "cls": False}


def teachers(asked: Counter[str] | None = None) -> Teachers:
    models = {}
    for seed, task in enumerate(UNIFIED_TASKS):
        model = small_model(small_config(normalization="per_task"), seed)
        if asked is not None:
            model.up.register_forward_hook(lambda *_, task=task: asked.update([task]))
        models[task] = model.train()
    return Teachers(models, STILL)


def said(by: Teachers, task: str, rows: list[int], order: list[int]) -> list[Tensor]:
    images = pictures(64, batch=len(rows))[order]
    answers = by.answers(("det", "cls"), task, images, torch.tensor(rows)[order])
    return [answers["det"].det_raw, answers["cls"].cls_raw]


def test_kept_answers_are_those_of_asking_anew() -> None:
    asked: Counter[str] = Counter()
    kept = teachers(asked)
    first = said(kept, "seg", [5, 2, 9], [0, 1, 2])
    assert asked == {"det": 3, "cls": 3}
    again = said(kept, "seg", [5, 2, 9], [2, 0, 1])  # other neighbours, another order
    assert asked == {"det": 3, "cls": 3}
    anew = said(teachers(), "seg", [5, 2, 9], [2, 0, 1])
    for old, kept_one, new_one in zip(first, again, anew, strict=True):
        assert torch.equal(kept_one, new_one)
        assert torch.equal(kept_one, old[[2, 0, 1]])


def test_a_full_store_gives_the_same_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = said(teachers(), "seg", [1, 2], [0, 1])
    monkeypatch.setattr(mtl.tasks.teachers, "KEPT_BYTES", 0)
    asked: Counter[str] = Counter()
    forgetful = teachers(asked)
    for _ in range(2):
        found = said(forgetful, "seg", [1, 2], [0, 1])
        assert all(torch.equal(a, b) for a, b in zip(found, wanted, strict=True))
    assert asked == {"det": 4, "cls": 4}


def test_images_that_change_are_asked_about_each_time_in_one_pass() -> None:
    asked: Counter[str] = Counter()
    moving = teachers(asked)
    said(moving, "det", [1, 2], [0, 1])
    other = moving.answers(("cls",), "det", pictures(64, seed=8), torch.tensor([1, 2]))["cls"]
    assert asked == {"det": 1, "cls": 2}
    assert not torch.equal(other.cls_raw, said(moving, "det", [1, 2], [0, 1])[1])


def test_a_teacher_says_what_it_learned_with_its_own_statistics_and_no_gradient() -> None:
    by = teachers()
    answer = by.answers(("cls",), "det", pictures(64), torch.tensor([0, 1]))["cls"]
    model = small_model(small_config(normalization="per_task"), seed=2)
    with torch.no_grad():
        wanted: UnifiedOutput = model({"cls": pictures(64)})["cls"]
    torch.testing.assert_close(answer.cls_raw, wanted.cls_raw)
    assert not answer.cls_raw.requires_grad
    assert answer.det_raw.numel() == answer.seg_raw.numel() == 0
    assert by.tasks == UNIFIED_TASKS
