"""The model against the published one: names, counts, values and gradients."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from torch import nn

from mtl.config.unified import UNIFIED_TASKS, DetectionLossConfig
from mtl.losses.assignment import Assignment
from mtl.losses.detection import detection_loss
from mtl.losses.segmentation import segmentation_loss, segmentation_targets
from mtl.models.unified import Unified
from mtl.models.unified.backbone import Features
from mtl.models.unified.decoders import decode_segmentation, pool_classes
from mtl.models.unified.grid import DetectionGrid
from tests.models.unified.published import Published, assert_close, use_batch_statistics

pytestmark = pytest.mark.parity
SIZE = (512, 512)


@pytest.fixture(scope="module")
def model(published: Published) -> Unified:
    model = Unified(published.config())
    published.fill(model)
    return model.eval()


def test_every_entry_has_its_original_and_the_same_shape(
    published: Published, model: Unified
) -> None:
    originals, state = published.original_name(), model.state_dict()
    assert originals.keys() == state.keys()
    assert len(state) == published.state["entries"]
    shapes = {entry["key"]: entry["shape"] for entry in published.state["state_dict"]}
    assert {n: list(t.shape) for n, t in state.items()} == {n: shapes[originals[n]] for n in state}
    parameters = list(model.parameters())
    assert len(parameters) == published.state["parameter_tensors"]
    assert sum(p.numel() for p in parameters) == published.state["parameters"]


def test_the_backbone_is_named_as_timm_names_it(published: Published) -> None:
    timm = {e["key"]: e["timm"] for e in published.state["state_dict"] if "timm" in e}
    assert len(timm) == 358
    ours = {original: name for name, original in published.original_name().items()}
    assert {key: ours[key] for key in timm} == {k: f"backbone.{t}" for k, t in timm.items()}


@pytest.mark.parametrize("name", ["head_forward", "head_forward_small"])
def test_every_stage_of_the_head_gives_the_published_values(
    published: Published, name: str
) -> None:
    fixture, config = published.fixture(name), published.config(name)
    model = Unified(config)
    published.fill(model)
    model.eval()
    tolerance = published.tolerance("head_forward")
    features = Features(torch.from_numpy(fixture["feat"]).float())
    with torch.no_grad():
        up = model.up(features)
        necks = {task: model.necks[task](up) for task in UNIFIED_TASKS}
        attention = model.attention(sum(necks.values()))
        output = model.answer_features(features, "det")
        found = {
            "up_sample": up[:, ::40],
            **{f"neck_{task}_sample": neck[:, ::8] for task, neck in necks.items()},
            "attention_sample": attention[:, ::8],
            "head": model.head(attention),
            "det_raw": output.det_raw,
            "seg_raw": output.seg_raw,
            "cls_raw": output.cls_raw,
            "det": DetectionGrid.of_raw(output.det_raw, config.num_boxes).values,
            "cls": pool_classes(output.cls_raw, config.pooling),
            "seg_sample": decode_segmentation(output.seg_raw, SIZE)[:, :, 8::32, 8::32],
        }
    assert found.keys() | {"feat"} == set(fixture.arrays)
    for key, value in found.items():
        assert_close(value, fixture[key], tolerance, key)


def test_images_with_batch_statistics_give_the_published_values(published: Published) -> None:
    fixture, config = published.fixture("end_to_end"), published.config("end_to_end")
    model = Unified(config)
    published.fill(model)
    use_batch_statistics(model)
    seen = []
    model.up.register_forward_pre_hook(lambda module, args: seen.append(args[0].last))
    with torch.no_grad():
        output = model({"seg": torch.from_numpy(fixture["image"]).float()})["seg"]
    buffers = dict(model.named_buffers())
    found = {
        "feat": seen[0],
        **output._asdict(),
        "det": output.det_raw.sigmoid(),
        "cls": pool_classes(output.cls_raw, config.pooling),
        **{key: buffers[n] for n, key in published.original_name().items() if n in buffers},
    }
    checked = set(fixture.arrays) - {"image"}
    assert {key for key in checked if key.endswith(("mean", "var"))}
    for key in checked:
        assert_close(found[key], fixture[key], published.tolerance("end_to_end"), key)


def test_gradients_are_the_published_ones_and_unread_channels_have_none(
    published: Published, model: Unified
) -> None:
    fixture, config = published.fixture("gradients"), published.config("gradients")
    output = model.answer_features(Features(torch.from_numpy(fixture["feat"]).float()), "det")
    grid = DetectionGrid.of_raw(output.det_raw, config.num_boxes)
    target = Assignment.of_map(torch.from_numpy(fixture["det_target"]), config.num_boxes)
    loss = DetectionLossConfig()
    det = loss.gain * detection_loss(grid, target, loss, config.boxes.center_span).total
    mask = segmentation_targets(torch.from_numpy(fixture["seg_mask"]), config.background)
    seg = segmentation_loss(decode_segmentation(output.seg_raw, SIZE), mask)
    pooled = pool_classes(output.cls_raw, config.pooling)
    cls = nn.functional.cross_entropy(pooled, torch.from_numpy(fixture["cls_label"]))
    assert_close(torch.stack([det, seg, cls]), fixture["losses"], 1e-4, "losses")

    model.zero_grad()
    (det + seg + cls).backward()
    ours = {original: name for name, original in published.original_name().items()}
    parameters = dict(model.named_parameters())
    grads = {key: parameters[ours[key]].grad for key in fixture["grad_norm_keys"]}
    norms = [float(grad.double().norm()) for grad in grads.values()]
    np.testing.assert_allclose(norms, fixture["grad_norms"], rtol=published.tolerance("gradients"))
    tolerance = published.tolerance("default")
    assert_close(grads["head.4.weight"], fixture["grad_head4"], tolerance, "head.4")
    for task in UNIFIED_TASKS:
        key = f"grad_idt_{task}_bias"
        assert_close(grads[f"idt_{task}.bias"], fixture[key], tolerance, key)

    slot, block, n = 5, config.block_channels, config.num_boxes
    unread = [
        *range(slot, slot * n),  # box slots after the first
        *range(2 * block + config.num_cls_classes, 3 * block),  # padding of classification
        *range(3 * block, 4 * block),  # the fourth group
    ]
    last = grads["head.4.weight"]
    assert last[unread].count_nonzero() == 0
    assert last.flatten(1).any(dim=1).sum() == len(last) - len(unread)
    assert grads["head.1.weight"][48:].count_nonzero() == 0
    assert grads["idt_det.bias"][slot : slot * n].count_nonzero() == 0


def test_parts_have_the_published_parameter_counts(model: Unified) -> None:
    counts: Counter[str] = Counter()
    for name, parameter in model.named_parameters():
        top = name.split(".")
        counts[".".join(top[:2]) if top[0] in ("necks", "own", "head") else top[0]] += (
            parameter.numel()
        )
    assert counts == {
        "backbone": 4_007_548,
        "up": 3_279_360,
        **{f"necks.{task}": 88_704 for task in UNIFIED_TASKS},
        "attention": 262_272,
        "head.hidden": 18_432,
        "head.norm": 128,
        "head.out": 1_280,
        "own.cls": 1_290,
        "own.seg": 2_580,
        "own.det": 2_580,
    }
