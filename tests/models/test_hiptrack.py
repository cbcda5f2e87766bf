from __future__ import annotations

from typing import Any

import pytest
import torch

from mtl.config.schema import ConditionHeadConfig
from mtl.errors import ShapeError
from mtl.losses.tracking import tracking_losses
from mtl.models.hiptrack import HIPTrack
from mtl.models.memory import RingMemory
from mtl.models.tracker import TrackerOutput
from tests.models.small import noise_clip, small_config, small_model

TRUE_BOX = torch.tensor([0.4, 0.4, 0.3, 0.2])


def total_loss(output: TrackerOutput, labels: torch.Tensor) -> torch.Tensor:
    B, T = output.boxes_cxcywh.shape[:2]
    values, _ = tracking_losses(output, TRUE_BOX.expand(B, T, 4))
    total = torch.stack(list(values.values())).sum()
    if output.condition_logits is not None:
        total = total + torch.nn.functional.cross_entropy(
            output.condition_logits.flatten(0, 1), labels.flatten()
        )
    return total


@torch.no_grad()
def track_boxes(model: HIPTrack, frames: int = 14) -> torch.Tensor:
    config = small_config()
    template, search, box = noise_clip(config, batch=1, frames=frames)
    start = model.eval().start(template, box)
    memory, boxes = RingMemory(config.memory.capacity), []
    for index in range(1, frames + 1):
        out = model.track(start, search[:, index - 1], memory, index)
        memory = out.memory
        boxes.append(out.box_cxcywh)
    return torch.cat(boxes)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("keep_ratio", [1.0, 0.6])
@pytest.mark.parametrize("kind", ["center", "corner"])
def test_every_learning_parameter_gets_a_gradient(
    frames: int, keep_ratio: float, kind: str
) -> None:
    config = small_config(box_head={"kind": kind, "channels": 16})
    model = small_model(config).train()
    output = model(*noise_clip(config, frames=frames), keep_ratio)
    total_loss(output, torch.full((2, frames), -100)).backward()
    without = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
    assert not any(p.requires_grad for p in model.constants())


@pytest.mark.parametrize("keep_ratio", [1.0, 0.6])
def test_frames_per_pass_changes_nothing(keep_ratio: float) -> None:
    results = []
    for frames_per_pass in (1, 2, 5, None):
        config = small_config(frames_per_pass=frames_per_pass, backbone={"drop_path": 0.5})
        model = small_model(config).train()
        torch.manual_seed(1)  # stochastic depth is active and drawn once for the clip
        output = model(*noise_clip(config, frames=5), keep_ratio)
        total_loss(output, torch.zeros(2, 5, dtype=torch.int64)).backward()
        gradients = [p.grad for p in model.parameters() if p.grad is not None]
        results.append((output, torch.cat([g.flatten() for g in gradients])))
    for output, gradient in results[1:]:
        for found, wanted in zip(output, results[0][0], strict=True):
            torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(gradient, results[0][1], rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("patch_size", [8, 16])
@pytest.mark.parametrize("kind", ["center", "corner"])
def test_output_lies_on_the_search_grid(patch_size: int, kind: str) -> None:
    config = small_config(
        backbone={"patch_size": patch_size}, box_head={"kind": kind, "channels": 16}
    )
    output = small_model(config)(*noise_clip(config, frames=2), 0.7)
    side = 64 // patch_size
    assert output.boxes_cxcywh.shape == (2, 2, 4)
    assert output.condition_logits is not None
    assert output.condition_logits.shape == (2, 2, 10)
    if kind == "corner":
        assert output.score_map is output.size_map is output.offset_map is None
    else:
        assert output.score_map is not None
        assert output.score_map.shape == (2, 2, 1, side, side)


def test_boxes_are_bit_identical_with_the_condition_head_on_off_and_removed() -> None:
    on, off = small_model(), small_model(head=None)
    removed = small_model()
    removed.condition_head = None
    boxes = track_boxes(on)
    assert torch.equal(boxes, track_boxes(off))
    assert torch.equal(boxes, track_boxes(removed))
    clip = noise_clip(small_config())
    trained = [model.eval()(*clip, 0.7).boxes_cxcywh for model in (on, off, removed)]
    assert torch.equal(trained[0], trained[1])
    assert torch.equal(trained[0], trained[2])


@pytest.mark.parametrize("fusion", [None, "residual", "film"])
def test_tracking_runs_the_condition_head_only_where_it_changes_the_box(fusion: Any) -> None:
    model = small_model(head=ConditionHeadConfig(hidden_width=8, fusion=fusion))
    runs = []
    assert model.condition_head is not None
    model.condition_head.fc1.register_forward_hook(lambda *_: runs.append(1))
    track_boxes(model)
    assert bool(runs) == (fusion is not None)


@pytest.mark.parametrize("fusion", ["residual", "film"])
@pytest.mark.parametrize("answers", ["classes", "attributes"])
def test_an_untrained_fusion_changes_nothing_and_a_trained_one_does(
    fusion: Any, answers: Any
) -> None:
    torch.manual_seed(0)
    config = small_config()
    fused = HIPTrack(config, ConditionHeadConfig(hidden_width=8, fusion=fusion), answers).eval()
    plain = HIPTrack(config).eval()
    plain.load_state_dict(fused.state_dict(), strict=False)
    clip = noise_clip(config)
    boxes = plain(*clip).boxes_cxcywh
    assert torch.equal(fused(*clip).boxes_cxcywh, boxes)
    assert torch.equal(track_boxes(fused), track_boxes(plain))
    head = fused.condition_head
    assert head is not None
    last = head.residual or head.film.fc2  # type: ignore[union-attr]
    torch.nn.init.normal_(last.weight)
    assert not torch.equal(fused(*clip).boxes_cxcywh, boxes)
    assert not torch.equal(track_boxes(fused), track_boxes(plain))


@pytest.mark.parametrize("fusion", ["residual", "film"])
def test_a_fusion_learns_from_the_boxes_alone(fusion: Any) -> None:
    model = small_model(head=ConditionHeadConfig(hidden_width=8, fusion=fusion))
    model(*noise_clip(small_config())).boxes_cxcywh.sum().backward()
    head = model.condition_head
    assert head is not None
    last = head.residual or head.film.fc2  # type: ignore[union-attr]
    assert last.weight.grad is not None
    assert last.weight.grad.abs().sum() > 0


def test_condition_logits_depend_on_kept_tokens_only() -> None:
    model = small_model().eval()
    template, search, boxes = noise_clip(small_config(), frames=1)
    seen = []
    model.backbone.register_forward_hook(lambda *call: seen.append(call[-1]))
    logits = model(template, search, boxes, 0.5).condition_logits
    kept = seen[0].search[:, seen[0].search.abs().sum(dim=(0, 2)) > 0]
    assert seen[0].kept.shape[1] == 16  # 64 tokens halved twice
    assert kept.shape[1] >= 16
    pooled = seen[0].search.sum(dim=1) / 16
    head = model.condition_head
    assert head is not None
    torch.testing.assert_close(logits[:, 0], head.logits(head.features(pooled, None)))


def test_a_frozen_backbone_builds_no_graph() -> None:
    model = small_model()
    model.backbone.requires_grad_(False)
    seen = []
    model.backbone.register_forward_hook(lambda *call: seen.append(call[-1]))
    model(*noise_clip(small_config()), 0.7).boxes_cxcywh.sum().backward()
    assert not seen[0].search.requires_grad
    assert all(p.grad is None for p in model.backbone.parameters())


def test_tracking_repeats_and_starts_empty() -> None:
    model = small_model()
    assert torch.equal(track_boxes(model), track_boxes(model))
    state = {name for name, _ in model.named_buffers()}
    assert all("running" in name or "num_batches" in name for name in state)


def test_memory_holds_the_frames_of_the_policy() -> None:
    config = small_config()
    model = small_model().eval()
    template, search, box = noise_clip(config, batch=1, frames=16)
    memory, written = RingMemory(config.memory.capacity), []
    with torch.no_grad():
        start = model.start(template, box)
        for index in range(1, 17):
            out = model.track(start, search[:, index - 1], memory, index)
            if out.memory.written > memory.written:
                written.append(index)
            memory = out.memory
    assert written == [5, 10, 12, 14, 16]
    assert len(memory) == 3


def test_size_features_reach_the_logits() -> None:
    head = ConditionHeadConfig(hidden_width=8, size_features=True)
    model = small_model(head=head).eval()
    clip = noise_clip(small_config())
    one = model(*clip, 1.0, torch.zeros(2, 3, 2)).condition_logits
    two = model(*clip, 1.0, torch.ones(2, 3, 2)).condition_logits
    assert not torch.equal(one, two)
    with pytest.raises(ShapeError, match=r"size_features must be \(2, 2\), got None"):
        model(*clip, 1.0)


def test_wrong_shapes_are_named() -> None:
    model = small_model()
    template, search, boxes = noise_clip(small_config())
    with pytest.raises(ShapeError, match=r"search must be \(2, 3, 3, 64, 64\), got"):
        model(template, search[..., :32], boxes, 1.0)
    with pytest.raises(ShapeError, match="template_boxes_xywh must be"):
        model(template, search, boxes[:, :3], 1.0)


def test_half_precision_keeps_boxes_and_losses_in_float32() -> None:
    model = small_model().train()
    clip = noise_clip(small_config())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(*clip, 0.7)
        loss = total_loss(output, torch.zeros(2, 3, dtype=torch.int64))
    loss.backward()
    assert output.boxes_cxcywh.dtype == loss.dtype == torch.float32
    reference = small_model().train()(*clip, 0.7)
    torch.testing.assert_close(output.boxes_cxcywh, reference.boxes_cxcywh, rtol=0, atol=0.2)


def test_template_state_is_explicit() -> None:
    model = small_model().eval()
    template, _, boxes = noise_clip(small_config())
    state = model.start(template, boxes)
    assert state._fields == ("tokens", "encoded")
    assert state.tokens.shape == (2, 16, 32)
