from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mtl.config.load import load
from mtl.config.schema import BoxHeadConfig, HIPTrackConfig
from mtl.models.build import build_model
from mtl.models.elimination import center_token, keep_ratio_at, num_kept
from mtl.models.heads import best_boxes, build_box_head
from mtl.models.hiptrack import HIPTrack
from mtl.models.memory import RingMemory
from mtl.models.vit import BackboneOutput, interpolate_position_embedding
from mtl.models.window import hann_window
from tests.parity import (
    Fixture,
    assert_mask,
    assert_near,
    assert_summary,
    fill_by_rule,
    rule_image,
    rule_values,
)

pytestmark = pytest.mark.parity

MAPS = ("score_map", "size_map", "offset_map")
PUBLISHED = HIPTrackConfig()


@pytest.fixture(scope="module")
def folder(reference_root: Path) -> Path:
    return reference_root / "hiptrack"


@pytest.fixture(scope="module")
def model() -> HIPTrack:
    """The published model; tests fill it with their fixture's weights."""
    return HIPTrack(PUBLISHED)


class Recorder:
    """What passes through the model's parts, by name, in the order of the calls."""

    def __init__(self, model: HIPTrack) -> None:
        self.calls: dict[str, list[Any]] = {}
        encoder = model.HIP.encoder
        self.handles = [
            self._watch("backbone", model.backbone),
            self._watch("key", model.key_proj),
            self._watch("prompt", model.HIP.decoder),
            self._watch("value", encoder.fuser),
            self._watch("picture", encoder.conv1, inputs=True),
        ]

    def _watch(self, name: str, module: nn.Module, inputs: bool = False) -> Any:
        calls = self.calls.setdefault(name, [])
        return module.register_forward_hook(
            lambda _, given, result: calls.append(given[0] if inputs else result)
        )

    @property
    def masks(self) -> list[Tensor]:
        """The fourth channel of the encoder's pictures."""
        return [picture[:, 3:] for picture in self.calls["picture"]]

    def clear(self) -> None:
        for calls in self.calls.values():
            calls.clear()

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()


def clip(meta: dict[str, Any], frames: int) -> tuple[Tensor, Tensor, Tensor]:
    """Template, search (B, T, ...) and template boxes of a fixture."""
    seed, batch = meta["seed"], meta["B"]
    search = [rule_image(seed, t, batch, PUBLISHED.search.size) for t in range(1, frames + 1)]
    template = rule_image(seed, 0, batch, PUBLISHED.template.size)
    return template, torch.stack(search, dim=1), torch.tensor(meta["template_boxes_xywh"])


def assert_removed(fixture: Fixture, frame: str, seen: BackboneOutput) -> None:
    stages = [name for name in (f"{frame}.removed{i}" for i in range(9)) if name in fixture]
    assert len(stages) == len(seen.removed)
    for name, removed in zip(stages, seen.removed, strict=True):
        assert removed is not None
        np.testing.assert_array_equal(removed.sort(dim=1).values.numpy(), fixture[name], name)


@pytest.mark.parametrize("name", ["train_ce_off", "train_ce_on"])
def test_training_forward_equals_the_published_one(
    folder: Path, model: HIPTrack, name: str
) -> None:
    fixture = Fixture(folder / f"{name}.npz")
    fill_by_rule(model, fixture.meta["salt"])
    model.eval()
    blocks: list[Tensor] = []
    handles = [
        block.register_forward_hook(lambda *call: blocks.append(call[-1][0]))
        for block in model.backbone.blocks
    ]
    frames = fixture.meta["frames"]
    template, search, boxes = clip(fixture.meta, frames)
    with torch.no_grad(), Recorder(model) as recorder:
        output = model(template, search, boxes, fixture.meta["ce_keep_rate"])
    for handle in handles:
        handle.remove()
    for maps in MAPS:
        assert_near(getattr(output, maps), fixture.frames(maps), 3e-5, maps)
    assert_near(output.boxes_cxcywh, fixture.frames("pred_boxes").squeeze(2), 1e-5, "boxes")
    template_key, *keys = _template_first(recorder.calls["key"])
    assert_summary(fixture, "template.key", template_key, 1e-4)
    for number, mask in enumerate(recorder.masks):
        place = f"f{number}" if number else "template"
        assert_summary(fixture, f"{place}.value", recorder.calls["value"][number], 2e-4)
        assert_mask(fixture, f"{place}.mask", mask)
    assert len(recorder.masks) == frames  # nothing is encoded for the last frame
    for number in range(frames):
        place, seen = f"f{number + 1}", recorder.calls["backbone"][number]
        tokens = torch.cat([seen.template, seen.search], dim=1)
        assert_summary(fixture, f"{place}.backbone", tokens, 3e-5)
        assert_summary(fixture, f"{place}.key", keys[number], 1e-4)
        assert_summary(fixture, f"{place}.prompt", recorder.calls["prompt"][number], 1e-4)
        assert_removed(fixture, place, seen)
    for number, tokens in enumerate(blocks[: len(model.backbone.blocks)]):
        place = f"f1.block{number}"
        if f"{place}.mean" in fixture:
            rows = tokens.flatten(1)
            assert_near(rows.mean(dim=1), fixture[f"{place}.mean"], 5e-5, "block.mean")
            assert_near(rows.std(dim=1, correction=0), fixture[f"{place}.std"], 5e-5, "block.std")
            wanted = fixture[f"{place}.token0"]
            assert_near(tokens[0, 0, : wanted.size], wanted.ravel(), 5e-5, "block.token0")


def test_tracking_forward_equals_the_published_one(folder: Path, model: HIPTrack) -> None:
    fixture = Fixture(folder / "track.npz")
    meta = fixture.meta
    fill_by_rule(model, meta["salt"])
    model.eval()
    template, search, boxes = clip(meta, meta["frames"])
    memory, written = RingMemory(meta["mem_max"]), []
    interval, model.update_interval = model.update_interval, meta["update_interval"]
    with torch.no_grad(), Recorder(model) as recorder:
        start = model.start(template, boxes)
        for number in range(1, meta["frames"] + 1):
            place = f"f{number}"
            recorder.clear()
            out = model.track(start, search[:, number - 1], memory, number)
            for name in MAPS:
                assert_near(getattr(out.maps, name), fixture[f"{place}.{name}"], 3e-5, name)
            wanted = fixture[f"{place}.pred_boxes"][:, 0]
            assert_near(out.box_cxcywh, wanted, 1e-5, "boxes")
            seen = recorder.calls["backbone"][0]
            tokens = torch.cat([seen.template, seen.search], dim=1)
            assert_summary(fixture, f"{place}.backbone", tokens, 3e-5)
            assert_removed(fixture, place, seen)
            assert_summary(fixture, f"{place}.key", recorder.calls["key"][0], 1e-4)
            assert_summary(fixture, f"{place}.prompt", recorder.calls["prompt"][0], 1e-4)
            values = list(recorder.calls["value"])
            if f"{place}.template_value.mean" in fixture:
                assert_summary(fixture, f"{place}.template_value", values.pop(0), 2e-4)
            wrote = out.memory.written > memory.written
            assert wrote == (f"{place}.value.mean" in fixture)
            if wrote:
                written.append(number)
                assert_summary(fixture, f"{place}.value", values.pop(0), 2e-4)
                assert_mask(fixture, f"{place}.mask", recorder.masks[0])
            assert not values
            memory = out.memory
            entries = written[-meta["mem_max"] :]
            np.testing.assert_array_equal(entries, fixture[f"{place}.mem_entries"])
    model.update_interval = interval
    keys, entry_values = memory.entries()
    side = model.backbone.search_side
    for name, rows, tolerance in (("mem_k", keys, 1e-4), ("mem_v", entry_values, 2e-4)):
        by_channel = rows.permute(0, 3, 1, 2).unflatten(3, (side, side))
        assert_summary(fixture, f"final.{name}", by_channel, tolerance)


def test_names_shapes_and_counts_are_the_published_ones(folder: Path, model: HIPTrack) -> None:
    shapes = {name: list(entry.shape) for name, entry in model.state_dict().items()}
    assert shapes == json.loads((folder / "state_dict.json").read_text())
    wanted = json.loads((folder / "counts.json").read_text())["parameters"]
    modules = {name: module for name, module in model.named_modules() if name in wanted}
    modules |= {"key_comp": model.key_comp}
    for name, module in modules.items():
        assert sum(p.numel() for p in module.parameters()) == wanted[name], name
    assert set(wanted) - set(modules) == {"total", "trainable_total(non-backbone)", "buffers"}
    total = sum(p.numel() for p in model.parameters())
    assert total == wanted["total"]
    backbone = sum(p.numel() for p in model.backbone.parameters())
    assert total - backbone == wanted["trainable_total(non-backbone)"]
    assert sum(b.numel() for b in model.buffers()) == wanted["buffers"]


def test_the_preset_adds_only_the_condition_head(folder: Path) -> None:
    config = load("hiptrack")
    with torch.device("meta"):
        model = build_model(config)
    assert model.condition_head is not None
    assert sum(p.numel() for p in model.condition_head.parameters()) == 398_858
    names = set(json.loads((folder / "state_dict.json").read_text()))
    added = set(model.state_dict()) - names
    assert names <= set(model.state_dict())
    assert all(name.startswith("condition_head.") for name in added)


def test_weight_rule_gives_the_published_weights(folder: Path) -> None:
    checks = json.loads((folder / "weights_check.json").read_text())
    shapes = json.loads((folder / "state_dict.json").read_text())
    for key, check in checks.items():
        values = rule_values(key, tuple(shapes[key]), salt=0)
        assert zlib.crc32(values.tobytes()) == check["crc32"], key


def test_center_head_equals_the_published_one(folder: Path) -> None:
    fixture = Fixture(folder / "heads.npz")
    _, maps = _head(fixture, "center")
    assert_near(maps.score_map, fixture["center.score"], 3e-5, "heads.score")
    assert_near(maps.size_map, fixture["center.size"], 3e-5, "heads.size")
    assert_near(maps.offset_map, fixture["center.offset"], 3e-5, "heads.offset")
    assert_near(maps.decode()[0], fixture["center.box"], 1e-5, "heads.box")
    top = best_boxes(maps, fixture["center.topk50"].shape[1])
    assert_near(top, fixture["center.topk50"], 1e-5, "heads.topk50")
    windowed, _ = maps.decode(hann_window(maps.score_map.shape[-1]))
    assert_near(windowed, fixture["center.box_windowed"], 1e-5, "heads.windowed")


def test_corner_head_equals_the_published_one(folder: Path) -> None:
    fixture = Fixture(folder / "heads.npz")
    head, maps = _head(fixture, "corner")
    shapes = {f"box_head.{k}": list(v.shape) for k, v in head.state_dict().items()}
    assert shapes == json.loads((folder / "corner_head_state_dict.json").read_text())
    assert_near(maps.top_left, fixture["corner.prob_tl"], 3e-5, "heads.prob_tl")
    assert_near(maps.bottom_right, fixture["corner.prob_br"], 3e-5, "heads.prob_br")
    assert_near(maps.boxes_xyxy, fixture["corner.xyxy"], 1e-5, "heads.xyxy")


def test_position_embedding_is_interpolated_as_published(folder: Path) -> None:
    fixture = Fixture(folder / "posembed.npz")
    shapes = json.loads((folder / "state_dict.json").read_text())
    key = "backbone.pos_embed"
    plain = torch.from_numpy(rule_values(key, tuple(shapes[key]), salt=0))
    for name, step, crop in (("z", 3, PUBLISHED.template), ("x", 7, PUBLISHED.search)):
        side = crop.size // PUBLISHED.backbone.patch_size
        found = interpolate_position_embedding(plain, side)[0]
        assert_near(found[::step, ::16], fixture[name], 1e-5, f"posembed.{name}")
        assert abs(float(found.double().sum() - fixture[f"{name}_sum"])) < 1e-3


def test_elimination_schedule_is_the_published_one(folder: Path) -> None:
    table = json.loads((folder / "schedule.json").read_text())
    config = PUBLISHED.backbone
    side = PUBLISHED.search.size // config.patch_size
    rows = zip(table["ce_keep_rate"], table["search_tokens_after_block_3_6_9"], strict=True)
    for epoch, (ratio, counts) in enumerate(rows, start=1):
        found = keep_ratio_at(config, epoch)
        assert found == pytest.approx(ratio, abs=1e-12)
        left, after = side**2, []
        for _ in config.elimination_blocks:
            left = num_kept(found, left)
            after.append(left)
        assert after == counts, f"epoch {epoch}"
    template_side = PUBLISHED.template.size // config.patch_size
    assert center_token(template_side) == table["ctr_point_template_token"]


def _head(fixture: Fixture, kind: Any) -> tuple[nn.Module, Any]:
    width = PUBLISHED.backbone.width
    side = PUBLISHED.search.size // PUBLISHED.backbone.patch_size
    head = build_box_head(BoxHeadConfig(kind=kind), width).eval()
    fill_by_rule(head, fixture.meta["salt"], prefix="box_head.")
    draws = np.random.default_rng(fixture.meta["seed"])
    maps = draws.standard_normal((fixture.meta["B"], width, side, side)).astype(np.float32)
    with torch.no_grad():
        return head, head(torch.from_numpy(maps))


def _template_first(keys: list[Tensor]) -> list[Tensor]:
    """One frame a pass: the first frame's search key comes before the template's."""
    return [keys[1], keys[0], *keys[2:]]
