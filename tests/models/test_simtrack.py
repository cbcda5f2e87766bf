from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from mtl.config.load import load
from mtl.config.modes import Answers
from mtl.config.schema import ConditionHeadConfig, FrozenPart, SimTrackConfig
from mtl.errors import ConfigError, ShapeError
from mtl.losses.boxes import giou_loss
from mtl.losses.tracking import tracking_losses
from mtl.models.build import build_model
from mtl.models.clip_vit import Pieces
from mtl.models.freeze import apply_stage_mode, freeze_parts
from mtl.models.simtrack import SimTrack
from mtl.models.tracker import TrackerOutput
from tests.models.small import SMALL_HEAD, noise_clip, small_simtrack, small_simtrack_config

CONFIG = small_simtrack_config()
TRUE_BOX = torch.tensor([0.4, 0.4, 0.3, 0.2])
LABELS = torch.tensor([0, 3, 9, 1, 2, 2])


def total_loss(output: TrackerOutput) -> Tensor:
    B, T = output.boxes_cxcywh.shape[:2]
    values, _ = tracking_losses(output, TRUE_BOX.expand(B, T, 4), giou_loss)
    total = torch.stack(list(values.values())).sum()
    if output.condition_logits is not None:
        logits = output.condition_logits.flatten(0, 1).float()
        total = total + torch.nn.functional.cross_entropy(logits, LABELS[: len(logits)])
    return total


def fused(fusion: Any, seed: int = 0) -> SimTrack:
    """A model whose fusion, which starts as no change, has learned something."""
    model = small_simtrack(head=ConditionHeadConfig(hidden_width=8, fusion=fusion)).eval()
    torch.manual_seed(seed)
    torch.nn.init.normal_(last_layer(model).weight)
    return model


def last_layer(model: SimTrack) -> torch.nn.Linear:
    assert model.condition_head is not None
    layer = model.condition_head.residual or model.condition_head.film.fc2  # type: ignore[union-attr]
    assert isinstance(layer, torch.nn.Linear)
    return layer


@torch.no_grad()
def track_boxes(model: SimTrack, conditions: bool = False) -> Tensor:
    template, search, boxes = noise_clip(CONFIG, batch=1, frames=4)
    start, memory = model.eval().start(template, boxes), model.empty_memory()
    found = [
        model.track(start, search[:, index], memory, index + 1, conditions=conditions)
        for index in range(4)
    ]
    return torch.cat([out.box_cxcywh for out in found])


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("fusion", ["none", "residual", "film"])
@pytest.mark.parametrize("pool", [None, "mean_search"])
def test_every_learning_parameter_gets_a_gradient(frames: int, fusion: Any, pool: Any) -> None:
    head = ConditionHeadConfig(hidden_width=8, fusion=fusion, pool=pool)
    model = small_simtrack(head=head).train()
    total_loss(model(*noise_clip(CONFIG, frames=frames))).backward()
    missing = {name for name, p in model.named_parameters() if p.grad is None}
    assert missing == {"backbone.visual.proj"}
    assert [id(p) for p in model.constants()] == [id(model.backbone.visual.proj)]


def test_frames_of_a_clip_are_looked_at_for_themselves() -> None:
    model = small_simtrack().eval()
    template, search, boxes = noise_clip(CONFIG, frames=3)
    whole = model(template, search, boxes)
    assert whole.boxes_cxcywh.shape == (2, 3, 4)
    assert whole.condition_logits.shape == (2, 3, 10)
    assert whole.score_map is None
    for t in range(3):
        alone = model(template, search[:, [t]], boxes)
        torch.testing.assert_close(alone.boxes_cxcywh[:, 0], whole.boxes_cxcywh[:, t])
        torch.testing.assert_close(alone.condition_logits[:, 0], whole.condition_logits[:, t])


@pytest.mark.parametrize(
    "config",
    [
        small_simtrack_config(template={"size": 48, "factor": 2.0}),
        small_simtrack_config(search={"size": 40, "factor": 4.0}, bottleneck_width=12),
        small_simtrack_config(
            backbone={"patch_size": 4, "fovea": 12, "width": 24, "num_heads": 3, "mlp_ratio": 2.5}
        ),
    ],
)
def test_any_size_by_config(config: SimTrackConfig) -> None:
    output = small_simtrack(config)(*noise_clip(config, frames=2))
    assert output.boxes_cxcywh.shape == (2, 2, 4)
    assert torch.isfinite(output.boxes_cxcywh).all()


def test_tracking_equals_the_forward_pass() -> None:
    model = small_simtrack().eval()
    boxes = model(*noise_clip(CONFIG, batch=1, frames=4)).boxes_cxcywh[0]
    torch.testing.assert_close(track_boxes(model), boxes)


def test_both_heads_run_alone_on_one_feature_pass() -> None:
    model = small_simtrack().eval()
    template, search, boxes = noise_clip(CONFIG, frames=1)
    passes = []
    model.backbone.register_forward_hook(lambda *call: passes.append(call[-1]))
    features = model.features(model.start(template, boxes), search[:, 0])
    found, logits = model.boxes(features).decode()[0], model.conditions(features)
    assert len(passes) == 1
    whole = model(template, search, boxes)
    torch.testing.assert_close(found, whole.boxes_cxcywh[:, 0])
    torch.testing.assert_close(logits, whole.condition_logits[:, 0])
    assert small_simtrack(head=None).conditions(features) is None


def changed(model: SimTrack, piece: str) -> TrackerOutput:
    """What the model says when the first token of a piece is another one."""

    def change(module: object, given: object, seen: Pieces) -> Pieces:
        tokens = getattr(seen, piece).clone()
        first = tokens if piece == "class_token" else tokens[:, 0]
        first += torch.linspace(-1, 1, first.shape[-1])
        return seen._replace(**{piece: tokens})

    handle = model.backbone.register_forward_hook(change)
    with torch.no_grad():
        output = model(*noise_clip(CONFIG, frames=1))
    handle.remove()
    return output


def test_conditions_are_read_from_the_class_token() -> None:
    model = small_simtrack().eval()
    with torch.no_grad():
        plain = model(*noise_clip(CONFIG, frames=1))
    other = changed(model, "class_token")
    assert not torch.allclose(other.condition_logits, plain.condition_logits)
    assert torch.equal(other.boxes_cxcywh, plain.boxes_cxcywh)
    assert torch.equal(changed(model, "template").condition_logits, plain.condition_logits)
    assert torch.equal(changed(model, "search").condition_logits, plain.condition_logits)


def test_conditions_are_read_from_the_search_region_where_asked() -> None:
    head = ConditionHeadConfig(hidden_width=8, pool="mean_search")
    model = small_simtrack(head=head).eval()
    with torch.no_grad():
        plain = model(*noise_clip(CONFIG, frames=1))
    assert torch.equal(changed(model, "class_token").condition_logits, plain.condition_logits)
    assert not torch.allclose(changed(model, "search").condition_logits, plain.condition_logits)


@pytest.mark.parametrize("fusion", ["residual", "film"])
def test_a_fusion_starts_as_no_change(fusion: Any) -> None:
    plain = small_simtrack(head=None).eval()
    model = small_simtrack(head=ConditionHeadConfig(hidden_width=8, fusion=fusion)).eval()
    clip = noise_clip(CONFIG)
    wanted = plain(*clip).boxes_cxcywh
    assert torch.equal(model(*clip).boxes_cxcywh, wanted)
    assert torch.equal(track_boxes(model), track_boxes(plain))
    learned = fused(fusion)
    assert not torch.equal(learned(*clip).boxes_cxcywh, wanted)
    assert not torch.equal(track_boxes(learned), track_boxes(plain))
    torch.testing.assert_close(
        track_boxes(learned), learned(*noise_clip(CONFIG, 1, 4)).boxes_cxcywh[0]
    )


def test_without_a_fusion_tracking_runs_no_condition_head() -> None:
    model = small_simtrack()
    assert model.condition_head is not None
    calls: list[object] = []
    model.condition_head.fc1.register_forward_hook(lambda *call: calls.append(call))
    assert torch.equal(track_boxes(model), track_boxes(small_simtrack(head=None)))
    assert calls == []
    track_boxes(model, conditions=True)
    assert len(calls) == 4


def test_with_a_fusion_no_box_goes_without_conditions() -> None:
    model = fused("residual")
    assert model.condition_head is not None
    calls: list[object] = []
    model.condition_head.fc1.register_forward_hook(lambda *call: calls.append(call))
    track_boxes(model)
    assert len(calls) == 4


def test_conditions_come_with_a_tracked_frame_where_asked() -> None:
    model = small_simtrack().eval()
    template, search, boxes = noise_clip(CONFIG, frames=1)
    start = model.start(template, boxes)
    assert model.track(start, search[:, 0], None, 1).condition_logits is None
    found = model.track(start, search[:, 0], None, 1, conditions=True).condition_logits
    torch.testing.assert_close(found, model(template, search, boxes).condition_logits[:, 0])


@pytest.mark.parametrize("answers", ["classes", "attributes"])
def test_heads_answer_ten_things(answers: Answers) -> None:
    torch.manual_seed(0)
    model = SimTrack(CONFIG, SMALL_HEAD, answers)
    assert model(*noise_clip(CONFIG)).condition_logits.shape == (2, 3, 10)


def test_size_features_reach_the_logits() -> None:
    head = ConditionHeadConfig(hidden_width=8, size_features=True)
    model = small_simtrack(head=head).eval()
    clip = noise_clip(CONFIG)
    sizes = torch.zeros(2, 3, 2)
    sizes[0, 1] = 1.0
    one, two = (model(*clip, s).condition_logits for s in (torch.zeros(2, 3, 2), sizes))
    differs = (one != two).any(dim=-1)
    assert differs.nonzero().tolist() == [[0, 1]]
    with pytest.raises(ShapeError, match=r"size_features must be \(6, 2\), got None"):
        model(*clip)


PARTS = ("backbone", "position", "bottleneck", "box_head", "condition_head")


@pytest.mark.parametrize("part", PARTS)
def test_a_frozen_part_stays_and_the_others_learn(part: str) -> None:
    model = small_simtrack()
    freeze = {part: FrozenPart()}
    freeze_parts(model, freeze)
    apply_stage_mode(model, freeze)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    learning = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(learning, lr=0.1)
    total_loss(model(*noise_clip(CONFIG))).backward()
    optimizer.step()
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    names = {module: name for name, module in model.named_modules()}
    for name, modules in model.parts().items():
        inside = {n for n in moved for module in modules if n.startswith(f"{names[module]}.")}
        assert bool(inside) == (name != part), name
        moved -= inside
    assert not moved


def test_training_conditions_alone_leaves_the_tracker_as_it_was() -> None:
    model = small_simtrack()
    freeze = {part: FrozenPart() for part in PARTS if part != "condition_head"}
    freeze_parts(model, freeze)
    apply_stage_mode(model, freeze)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    passes: list[Pieces] = []
    model.backbone.register_forward_hook(lambda *call: passes.append(call[-1]))
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    total_loss(model(*noise_clip(CONFIG))).backward()
    optimizer.step()
    assert not passes[0].search.requires_grad  # no graph where nothing learns
    moved = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert moved == {n for n in before if n.startswith("condition_head.")}


def test_an_unknown_part_cannot_be_frozen() -> None:
    with pytest.raises(ConfigError, match="'prompt' in a stage's freeze is no part of the model"):
        freeze_parts(small_simtrack(), {"prompt": FrozenPart()})


def test_wrong_shapes_are_named() -> None:
    model = small_simtrack()
    template, search, boxes = noise_clip(CONFIG)
    with pytest.raises(ShapeError, match=r"template must be \(2, 3, 40, 40\), got"):
        model(template[..., :32], search, boxes)
    with pytest.raises(ShapeError, match=r"search must be \(2, 1, 3, 64, 64\), got"):
        model(template, search[:, 0], boxes)
    with pytest.raises(ShapeError, match="template_boxes_xywh must be"):
        model(template, search, boxes[:1])


@pytest.mark.parametrize("fusion", ["none", "residual", "film"])
def test_half_precision_keeps_boxes_and_losses_in_float32(fusion: Any) -> None:
    head = ConditionHeadConfig(hidden_width=8, fusion=fusion)
    model = small_simtrack(head=head).train()
    clip = noise_clip(CONFIG)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(*clip)
        loss = total_loss(output)
    loss.backward()
    assert output.boxes_cxcywh.dtype == loss.dtype == torch.float32
    reference = small_simtrack(head=head).train()(*clip)
    torch.testing.assert_close(output.boxes_cxcywh, reference.boxes_cxcywh, rtol=0, atol=0.1)


def test_nothing_is_remembered() -> None:
    model = small_simtrack()
    assert model.empty_memory() is None
    assert torch.equal(track_boxes(model), track_boxes(model))
    assert all("running" in n or "num_batches" in n for n, _ in model.named_buffers())


def test_corner_weights_start_as_the_framework_makes_them() -> None:
    weight = small_simtrack().box_head.get_parameter("conv1_tl.0.weight")
    bound = (weight.shape[1] * 9) ** -0.5  # kaiming uniform with a = sqrt(5)
    assert 0.95 * bound < weight.abs().max() <= bound


@pytest.mark.parametrize("preset", ["simtrack", "simtrack_small"])
def test_the_presets_build_what_they_say(preset: str) -> None:
    config = load(preset)
    with torch.device("meta"):
        model = build_model(config)
    assert isinstance(model, SimTrack)
    assert not config.loss.silence_crossed_boxes
    for stage in config.stages.values():
        freeze_parts(model, stage.freeze)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("model.backbone.fovea=60", "backbone.fovea must be a multiple of backbone.patch_size 16"),
        ("model.backbone.fovea=112", "smaller than template.size 112"),
        ("model.template.size=120", "template.size must be a multiple of backbone.patch_size"),
        ("model.backbone.num_heads=5", "width must be even and a multiple of num_heads"),
        ("model.box_head_channels=20", "multiple of 8"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(word: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load("simtrack", [word])
