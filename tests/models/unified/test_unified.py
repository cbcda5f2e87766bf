"""The model as a whole: grids, passes, parts, and what each switch changes."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from mtl.config.schema import FrozenPart
from mtl.config.unified import UNIFIED_PARTS, UNIFIED_TASKS, UnifiedConfig, UnifiedHeadConfig
from mtl.errors import ShapeError
from mtl.models.freeze import apply_stage_mode, freeze_parts
from mtl.models.unified import Unified, UnifiedOutput
from mtl.models.unified.decoders import decode_segmentation, segmentation_size
from tests.models.unified.small import SKIPPING, pictures, small_config, small_model

NO_DEPTH = {"drop_path": 0.0}


def assert_same(found: UnifiedOutput, wanted: UnifiedOutput) -> None:
    for name, ours, theirs in zip(UnifiedOutput._fields, found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5, msg=name)


@pytest.mark.parametrize(("side", "cells"), [(512, 32), (256, 16), (144, 10)])
def test_the_grid_rounds_up_at_stride_32(side: int, cells: int) -> None:
    for features in ("stride_32", "laterals"):
        config = small_config({"features": features})
        with torch.no_grad():
            output = small_model(config).answer(pictures(side, batch=1), "cls")
        assert output.det_raw.shape == (1, config.det_channels, cells, cells)
        assert output.seg_raw.shape == (1, config.num_seg_classes, cells, cells)
        assert output.cls_raw.shape == (1, config.num_cls_classes, cells, cells)


def test_segmentation_scores_are_of_fixed_size_unless_asked_to_follow_the_input() -> None:
    with torch.no_grad():
        raw = small_model().answer(pictures(144, batch=1), "seg").seg_raw
    size = segmentation_size(small_config(segmentation_size=512), (144, 144))
    assert decode_segmentation(raw, size).shape[-2:] == (512, 512)
    size = segmentation_size(small_config(segmentation_output="input"), (144, 100))
    assert decode_segmentation(raw, size).shape[-2:] == (144, 100)


def test_every_batch_is_answered_by_itself_whatever_its_size() -> None:
    model = small_model()
    batches = {"det": pictures(64), "seg": pictures(96), "cls": pictures(40)}
    with torch.no_grad():
        together = model(batches)
        for task, images in batches.items():
            assert_same(together[task], model({task: images})[task])


@pytest.mark.parametrize("confidence", [0.01, 0.3])
def test_a_new_network_trusts_its_boxes_as_it_was_told(confidence: float) -> None:
    plain, told = (
        small_config(num_boxes=3),
        small_config(num_boxes=3, initial_confidence=confidence),
    )
    torch.manual_seed(0)
    before = Unified(plain).own["det"].state_dict()
    torch.manual_seed(0)
    after = Unified(told).own["det"].state_dict()
    assert torch.equal(after["weight"], before["weight"])
    slots = torch.zeros(told.det_channels, dtype=torch.bool)
    slots[[4, 9, 14]] = True
    assert after["bias"][slots].sigmoid().tolist() == pytest.approx([confidence] * 3)
    assert torch.equal(after["bias"][~slots], before["bias"][~slots])


def test_images_of_another_shape_are_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"seg images must be \(B, 3, H, W\), got \(2, 1, 64, 64\)"
    ):
        small_model()({"seg": pictures()[:, :1]})


def test_one_pass_gives_what_three_give_without_chance_and_moving_statistics() -> None:
    model = small_model(small_config(NO_DEPTH, normalization="frozen")).train()
    batches = {task: pictures(64, seed=n) for n, task in enumerate(UNIFIED_TASKS)}
    with torch.no_grad():
        one, three = model(batches), model(batches, separate_passes=True)
    for task in UNIFIED_TASKS:
        for ours, theirs in zip(one[task], three[task], strict=True):
            assert torch.equal(ours, theirs)


def test_separate_passes_draw_and_count_anew() -> None:
    model = small_model(small_config(SKIPPING)).train()
    calls = []
    model.up.register_forward_hook(lambda module, inputs, output: calls.append(output))
    output = model({"seg": pictures()}, separate_passes=True)["seg"]
    assert len(calls) == 3
    assert not torch.equal(calls[0], calls[1])
    assert int(model.backbone.bn1.num_batches_tracked) == 3
    output.seg_raw.sum().backward()  # the maps of other passes may stay unused
    assert model.own["seg"].weight.grad is not None


def test_stochastic_depth_grows_linearly_over_the_blocks() -> None:
    with torch.device("meta"):
        model = Unified(UnifiedConfig())
    blocks = [block for stage in model.backbone.blocks for block in stage]
    rates = [getattr(block.drop_path, "drop_prob", 0.0) for block in blocks]
    assert rates == pytest.approx([0.2 * i / 16 for i in range(16)])


def test_without_the_unread_group_the_answers_stay() -> None:
    four = small_model()
    three = small_model(small_config(head=UnifiedHeadConfig(groups=3)), seed=5)
    shapes = {name: entry.shape for name, entry in three.state_dict().items()}
    state = {n: e[: shapes[n][0]] if shapes[n] else e for n, e in four.state_dict().items()}
    three.load_state_dict(state)
    with torch.no_grad():
        assert_same(three.answer(pictures(), "det"), four.answer(pictures(), "det"))
    smaller = sum(p.numel() for p in four.parameters()) - sum(p.numel() for p in three.parameters())
    assert smaller > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"backbone": {"features": "laterals"}},
        {"attention": {"position": "sine"}},
        {"attention": {"heads": "split"}},
    ],
    ids=["laterals", "position", "heads"],
)
def test_a_switch_changes_the_answers_and_everything_learns(changes: dict[str, Any]) -> None:
    plain, model = small_model(), small_model(small_config(**changes))
    model.load_state_dict(plain.state_dict(), strict=False)
    with torch.no_grad():
        found, wanted = model.answer(pictures(), "det"), plain.answer(pictures(), "det")
    assert not torch.allclose(found.det_raw, wanted.det_raw, atol=1e-4)
    model.train()
    sum(raw.square().mean() for raw in model.answer(pictures(), "det")).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name


def test_dropped_channels_of_the_head_change_training_only() -> None:
    config = small_config(NO_DEPTH, normalization="frozen", head=UnifiedHeadConfig(dropout=0.5))
    model = small_model(config)
    with torch.no_grad():
        first, second = (model.answer(pictures(), "det").det_raw for _ in range(2))
        assert torch.equal(first, second)
        model.train()
        first, second = (model.answer(pictures(), "det").det_raw for _ in range(2))
        assert not torch.equal(first, second)


def test_each_task_has_statistics_of_its_own() -> None:
    model = small_model(small_config(NO_DEPTH, normalization="per_task")).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    with torch.no_grad():
        model({"seg": pictures()})
    moved = dict(model.named_buffers())
    assert moved.keys() == dict(small_model().named_buffers()).keys()
    seg = UNIFIED_TASKS.index("seg")
    for name, rows in moved.items():
        assert not torch.equal(rows[seg], before[name][seg]), name
        others = [row for row in range(len(UNIFIED_TASKS)) if row != seg]
        assert torch.equal(rows[others], before[name][others]), name


def test_one_task_alone_is_normalised_as_with_shared_statistics() -> None:
    shared = small_model(small_config(NO_DEPTH)).train()
    each = small_model(small_config(NO_DEPTH, normalization="per_task")).train()
    each.load_state_dict(dict(shared.named_parameters()), strict=False)
    fresh = {"mean": 0.0, "var": 1.0}
    for model in (shared, each):
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.fill_(fresh[name.rpartition("_")[2]])
    images = {"cls": pictures()}
    assert_same(each(images)["cls"], shared(images)["cls"])
    for model in (shared, each):
        model.eval()
    with torch.no_grad():
        assert_same(each(images)["cls"], shared(images)["cls"])


def test_frozen_statistics_stay_while_the_rest_learns() -> None:
    model = small_model(small_config(normalization="frozen")).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    sum(raw.square().mean() for raw in model.answer(pictures(), "det")).backward()
    for name, buffer in model.named_buffers():
        assert torch.equal(buffer, before[name]), name
    assert model.backbone.bn1.weight.grad is not None


def test_a_backbone_keeps_its_statistics_while_each_task_has_its_own_beyond_it() -> None:
    model = small_model(small_config(NO_DEPTH, normalization="frozen_backbone")).train()
    before = {name: buffer.clone() for name, buffer in model.named_buffers()}
    model({"seg": pictures()})["seg"].seg_raw.sum().backward()
    seg = UNIFIED_TASKS.index("seg")
    for name, buffer in model.named_buffers():
        if name.startswith("backbone."):
            assert torch.equal(buffer, before[name]), name
        else:
            assert not torch.equal(buffer[seg], before[name][seg]), name
            assert torch.equal(buffer[0], before[name][0]), name
    assert model.backbone.bn1.weight.grad is not None
    frozen = small_model(small_config(NO_DEPTH, normalization="frozen")).train()
    frozen.load_state_dict(model.state_dict() | dict(_outside_backbone(frozen)))
    with torch.no_grad():
        ours, theirs = (one.features(pictures(), "det").last for one in (model, frozen))
    assert torch.equal(ours, theirs)


def _outside_backbone(model: Unified) -> dict[str, torch.Tensor]:
    return {n: b for n, b in model.named_buffers() if not n.startswith("backbone.")}


def test_parts_are_all_of_the_model_and_known_to_the_config() -> None:
    model = small_model(small_config({"features": "laterals"}))
    parts = model.parts()
    assert tuple(parts) == UNIFIED_PARTS
    within = {id(p) for m in parts.pop("stem") for p in m.parameters()}
    assert within < {id(p) for m in parts["backbone"] for p in m.parameters()}
    found = [p for modules in parts.values() for m in modules for p in m.parameters()]
    assert {id(p) for p in found} == {id(p) for p in model.parameters()}
    assert len(found) == len(list(model.parameters()))
    shared = {id(p) for p in model.shared_parameters()}
    assert shared == {
        id(p) for name in ("backbone", "up") for m in parts[name] for p in m.parameters()
    }


def test_a_frozen_backbone_builds_no_graph_and_may_go_on_dropping_blocks() -> None:
    model = small_model(small_config(SKIPPING))
    for stochastic in (False, True):
        freeze = {"backbone": FrozenPart(eval_mode=True, stochastic_depth=stochastic)}
        freeze_parts(model, freeze)
        apply_stage_mode(model, freeze)
        first, second = (model.features(pictures(), "det").last for _ in range(2))
        assert not first.requires_grad
        assert torch.equal(first, second) is not stochastic
        norms = [m for m in model.backbone.modules() if isinstance(m, nn.BatchNorm2d)]
        assert not any(norm.training for norm in norms)
        assert model.up.training


def test_a_frozen_stem_is_the_backbone_up_to_stride_4_and_the_rest_learns() -> None:
    model = small_model(small_config(SKIPPING, normalization="frozen_backbone"))
    freeze = {"stem": FrozenPart(eval_mode=True)}
    freeze_parts(model, freeze)
    apply_stage_mode(model, freeze)
    maps = {}
    for index, block in enumerate(model.backbone.blocks):
        block.register_forward_hook(lambda _, __, out, index=index: maps.update({index: out}))
    features = model.features(pictures(), "det").last
    size = pictures().shape[-1]
    learns = {size // out.shape[-1]: out.requires_grad for out in maps.values()}
    assert learns == {2: False, 4: False, 8: True, 16: True, 32: True}
    features.sum().backward()
    frozen = {id(p) for m in model.parts()["stem"] for p in m.parameters()}
    assert all(p.grad is None for p in model.parameters() if id(p) in frozen)
    assert all(p.grad is not None for p in model.backbone.blocks[2:].parameters())


def test_a_part_within_another_behaves_as_its_own_name_says() -> None:
    model = small_model(small_config({}))
    freeze = {"stem": FrozenPart(eval_mode=True), "backbone": FrozenPart(eval_mode=False)}
    apply_stage_mode(model, freeze)
    assert model.backbone.training
    assert not model.backbone.conv_stem.training
    freeze_parts(model, freeze)
    assert not any(p.requires_grad for p in model.backbone.parameters())
    freeze_parts(model, {})
    assert all(p.requires_grad for p in model.parameters())


def test_kept_features_give_the_same_answers() -> None:
    model = small_model(small_config({"features": "laterals"}))
    with torch.no_grad():
        kept = model.features(pictures(), "det")
        assert_same(model.answer_features(kept, "det"), model.answer(pictures(), "det"))
