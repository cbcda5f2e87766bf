from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from mtl.config.load import load
from mtl.config.schema import ConditionHeadConfig, SimTrackConfig
from mtl.models.build import build_model
from mtl.models.clip_vit import resize_positions
from mtl.models.condition_head import ConditionHead
from mtl.models.simtrack import SimTrack
from mtl.models.target_position import cell_inputs, coverage
from tests.parity import Fixture, assert_near, corner_gains, fill_by_rule, rule_image, rule_values

pytestmark = pytest.mark.parity

PUBLISHED = SimTrackConfig()
BRANCH = {"fc1": "cls_projection", "fc2": "classifier", "residual": "fusion_layer"}
"""Our names of the published branch's layers."""


@pytest.fixture(scope="module")
def folder(reference_root: Path) -> Path:
    return reference_root / "simtrack"


@pytest.fixture(scope="module")
def forward(folder: Path) -> Fixture:
    return Fixture(folder / "forward.npz")


@pytest.fixture(scope="module")
def model(forward: Fixture) -> SimTrack:
    """The published tracker with the weights of `forward.npz`."""
    model = SimTrack(PUBLISHED).eval()
    fill_by_rule(model, forward.meta["salt"], gains=corner_gains(forward.meta))
    return model


def inputs(meta: dict[str, Any], boxes: Any) -> tuple[Tensor, Tensor, Tensor]:
    """Template (B, 3, z, z), search (B, 1, 3, s, s) and template boxes of a fixture."""
    template = rule_image(meta["seed"], 0, meta["B"], PUBLISHED.template.size)
    search = rule_image(meta["seed"], 1, meta["B"], PUBLISHED.search.size)
    return template, search[:, None], torch.tensor(boxes)


@contextmanager
def recorded(modules: dict[str, nn.Module]) -> Iterator[dict[str, list[Any]]]:
    """What modules give out, by name, in the order of the calls."""
    calls: dict[str, list[Any]] = {name: [] for name in modules}

    def record(name: str) -> Any:
        return lambda module, given, result: calls[name].append(result)

    handles = [module.register_forward_hook(record(name)) for name, module in modules.items()]
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@pytest.mark.parametrize("number", [0, 1, 2])
def test_forward_equals_the_published_one(forward: Fixture, model: SimTrack, number: int) -> None:
    meta, backbone = forward.meta, model.backbone
    template, search, boxes = inputs(meta, meta["annotations_xywh"][number])
    blocks = backbone.visual.transformer.resblocks
    watched = {
        "conv1": backbone.visual.conv1,
        "position": backbone.pos_fc,
        "ln_pre": backbone.visual.ln_pre,
        **{name: blocks[int(name[3:])] for name in ("blk0", "blk5", "blk11")},
        "backbone": backbone,
        "score_tl": model.box_head.get_submodule("conv5_tl"),
        "score_br": model.box_head.get_submodule("conv5_br"),
        "head": model.box_head,
    }
    head_in: list[Tensor] = []
    handle = model.box_head.register_forward_pre_hook(lambda _, given: head_in.append(given[0]))
    with torch.no_grad(), recorded(watched) as calls:
        output = model(template, search, boxes)
    handle.remove()

    def near(name: str, found: Tensor, tolerance: float) -> None:
        assert found.shape == forward[f"a{number}.{name}"].shape, name
        assert_near(found, forward[f"a{number}.{name}"], tolerance, f"a{number}.{name}")

    def near_tokens(name: str, tokens: Tensor, kinds: int, channels: int, tolerance: float) -> None:
        """Tokens (B, N, C) against the summary of the first `kinds` kinds of tokens."""
        near(f"{name}.mean", tokens.mean(dim=2), tolerance)
        near(f"{name}.std", tokens.std(dim=2, correction=0), tolerance)
        shown = [index for kind in list(meta["token_index"].values())[:kinds] for index in kind]
        near(f"{name}.slice", tokens[:, shown, :channels], tolerance)

    side = backbone.pos_fc.side
    near("coverage", coverage(boxes, side).flatten(1), 2e-6)
    near("pos_fc_in_xy", cell_inputs(boxes, side)[0, ..., 1:].flatten(0, 1), 2e-6)
    positions = calls["position"][0].flatten(1, 2)
    near("template_pos.c0_32", positions[..., 0:32:4], 2e-6)
    near("template_pos.mean", positions.mean(dim=2), 2e-6)
    near("template_pos.std", positions.std(dim=2, correction=0), 2e-6)
    by_crop = dict(zip(("template", "foveal", "search"), calls["conv1"], strict=True))
    for name, step in (("search", 4), ("template", 3), ("foveal", 1)):
        near(f"patch.{name}", by_crop[name][:, 0:16:2, ::step, ::step], 5e-5)
    fovea = model.start(template, boxes).fovea - by_crop["foveal"].flatten(2).transpose(1, 2)
    near("foveal_pos", fovea[..., :16], 2e-6)
    for name in ("ln_pre", "blk0", "blk5", "blk11"):
        near_tokens(name, calls[name][0], 4, 16, 5e-5)

    pieces = calls["backbone"][0]
    tokens = torch.cat([pieces.template, pieces.class_token[:, None], pieces.search], dim=1)
    near_tokens("backbone", tokens, 3, 32, 2e-5)
    with torch.no_grad():
        features = model.bottleneck(tokens)
    near("feat.mean", features.mean(dim=2).T, 2e-5)
    near("feat.std", features.std(dim=2, correction=0).T, 2e-5)
    shown = [i for kind in list(meta["token_index"].values())[:3] for i in kind]
    near("feat.slice", features[:, shown, :32].transpose(0, 1), 2e-5)
    (class_index,) = meta["token_index"]["cls"]
    near("feat.cls", features[:, class_index], 2e-5)
    near("head_in.slice", head_in[0][:, :8, ::3, ::3], 2e-5)
    for name in ("score_tl", "score_br"):
        near(name, calls[name][0][:, 0], 3e-4)
    maps = calls["head"][0]
    cells = (backbone.search_side, backbone.search_side)
    near("prob_tl", maps.top_left.unflatten(1, cells), 3e-5)
    near("prob_br", maps.bottom_right.unflatten(1, cells), 3e-5)
    near("pred_xyxy", maps.boxes_xyxy, 2e-5)
    near("pred_boxes", output.boxes_cxcywh, 2e-5)


def test_tracking_one_frame_equals_the_published_forward(forward: Fixture, model: SimTrack) -> None:
    template, search, boxes = inputs(forward.meta, forward.meta["annotations_xywh"][0])
    with torch.no_grad():
        start = model.start(template[:1], boxes[:1])
        found = model.track(start, search[:1, 0], model.empty_memory(), 1)
    assert_near(found.box_cxcywh, forward["b1.pred_boxes"][:, 0], 2e-5, "b1.pred_boxes")
    assert found.condition_logits is None


def test_positions_are_resized_as_published(forward: Fixture, model: SimTrack) -> None:
    positions = model.backbone.visual.positional_embedding
    grids = [name for name in forward.arrays if name.startswith("posgrid")]
    assert grids
    for name in grids:
        side = int(name.removeprefix("posgrid"))
        found = resize_positions(positions, side)
        torch.testing.assert_close(found[0], positions[0], rtol=0, atol=0)
        grid = found[1:].T.unflatten(1, (side, side))
        assert_near(grid[: len(forward[name])], forward[name], 2e-6, name)


def branch_of(folder: Path, salt: int) -> ConditionHead:
    """The published classification branch, with its rule's weights under its own names."""
    width = PUBLISHED.bottleneck_width
    head = ConditionHead(ConditionHeadConfig(fusion="residual"), width, width, "classes").eval()
    published = {
        name.replace(ours, BRANCH[ours]): name
        for name in head.state_dict()
        for ours in [name.split(".")[0]]
    }
    shapes = {ours: list(head.state_dict()[name].shape) for ours, name in published.items()}
    assert shapes == json.loads((folder / "manifest_classification_branch.json").read_text())
    head.load_state_dict(
        {
            name: torch.from_numpy(rule_values(theirs, tuple(shapes[theirs]), salt))
            for theirs, name in published.items()
        }
    )
    return head


def test_classification_branch_equals_the_published_one(
    folder: Path, model: SimTrack, monkeypatch: pytest.MonkeyPatch
) -> None:
    fixture = Fixture(folder / "classification.npz")
    meta = fixture.meta
    head = branch_of(folder, meta["salt"])
    template, search, boxes = inputs(meta, meta["annotations_xywh"])
    with torch.no_grad(), recorded({"backbone": model.backbone}) as calls:
        start = model.start(template, boxes)
        features = model.features(start, search[:, 0])
        assert model.conditions(features) is None
        plain = model.boxes(features).decode()[0]
        monkeypatch.setattr(model, "condition_head", head)
        fused = model.boxes(features).decode()[0]
        logits = model.conditions(features)
        corner = model.bottleneck(calls["backbone"][0].template[:, 0])
        assert_near(plain, fixture["pred_boxes_unfused"][:, 0], 2e-5, "pred_boxes_unfused")
        # index0 is the guide's mistake, the template's top left corner; ours is the class token.
        for name, token, ours in (
            ("cls49", features.class_token, fused),
            ("index0", corner, model.boxes(features._replace(class_token=corner)).decode()[0]),
        ):
            hidden = head.features(token, None)
            found = {
                "token": token,
                "cls_features": hidden,
                "logits": head.logits(hidden),
                "softmax": head.probabilities(head.logits(hidden)),
                "fusion": head.residual(hidden) if head.residual else None,
                "pred_boxes_fused": ours[:, None],
            }
            for field, value in found.items():
                assert value is not None
                assert_near(value, fixture[f"{name}.{field}"], 2e-5, f"{name}.{field}")
    assert logits is not None
    assert_near(logits, fixture["cls49.logits"], 2e-5, "logits")
    assert np.abs(fixture["cls49.logits"] - fixture["index0.logits"]).max() > 1e-2


def test_names_shapes_and_counts_are_the_published_ones(folder: Path, model: SimTrack) -> None:
    shapes = {name: list(entry.shape) for name, entry in model.state_dict().items()}
    assert shapes == json.loads((folder / "manifest_simtrack.json").read_text())
    clip = json.loads((folder / "manifest_openai_clip_vitb16_visual.json").read_text())
    renamed = json.loads((folder / "map_to_simtrack.json").read_text())["openai_clip"]
    assert {renamed[name]: shape for name, shape in clip.items()}.items() <= shapes.items()

    wanted = json.loads((folder / "cost.json").read_text())["parameters"]
    visual = model.backbone.visual
    parts: dict[str, list[Tensor]] = {
        name: list(module.parameters()) for name, module in model.named_modules() if name
    }
    parts |= {f"backbone.visual.{name}": [p] for name, p in visual.named_parameters()}
    parts |= {
        "total": list(model.parameters()),
        "buffers": list(model.buffers()),
        "backbone.visual.proj (unused)": [visual.proj],
        "backbone.visual.transformer.one_block": list(visual.transformer.resblocks[0].parameters()),
        "box_head.one_branch": [
            p for name, p in model.box_head.named_parameters() if "_tl" in name
        ],
    }
    for name, count in wanted.items():
        assert sum(tensor.numel() for tensor in parts[name]) == count, name


def test_operations_are_the_published_ones(folder: Path, model: SimTrack) -> None:
    cost = json.loads((folder / "cost.json").read_text())
    wanted, by_hand = cost["flops_forward_B1"], cost["macs_analytic_B1"]
    z, s = PUBLISHED.template.size, PUBLISHED.search.size
    # The counter knows attention only as two products, not as a fused kernel of some processors.
    products, counter = sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False)
    with torch.no_grad(), products, counter:
        model(torch.zeros(1, 3, z, z), torch.zeros(1, 1, 3, s, s), torch.zeros(1, 4))
    found = {
        name.removeprefix("SimTrack."): sum(counts.values())
        for name, counts in counter.get_flop_counts().items()
    }
    # Published: all tokens but the foveal ones. No output depends on the template's.
    layout = model.backbone.layout
    share = (1 + layout.search) / (layout.template + 1 + layout.search)
    # Published corners are sums, which the counter leaves out; ours are a product of matrices.
    head = sum(found[f"box_head.{name}"] for name, _ in model.box_head.named_children())
    counted = {
        "transformer": found["backbone.visual.transformer"],
        "patch embedding (3 calls)": found["backbone.visual.conv1"],
        "pos_fc": found["backbone.pos_fc"],
    }
    counted["backbone"] = sum(counted.values())
    counted |= {"bottleneck": found["bottleneck"] / share, "box_head": head}
    counted["total"] = sum(counted[name] for name in ("backbone", "bottleneck", "box_head"))
    assert counted == wanted
    assert counted["total"] == 2 * by_hand["total"]
    assert counted["box_head"] == 2 * by_hand["head"]
    assert counter.get_total_flops() < wanted["total"]


@pytest.mark.parametrize(
    ("mode", "fusion", "added"),
    [
        ("mtl_hard", "null", 136_714),
        ("mtl_hard", "residual", 268_042),
        ("finetune_bbox", "null", 0),
    ],
)
def test_the_preset_adds_only_the_condition_head(
    folder: Path, mode: str, fusion: str, added: int
) -> None:
    config = load("simtrack", [f"mode={mode}", f"head.fusion={fusion}"])
    with torch.device("meta"):
        model = build_model(config)
    total = json.loads((folder / "cost.json").read_text())["parameters"]["total"]
    assert sum(p.numel() for p in model.parameters()) == total + added
    names = set(json.loads((folder / "manifest_simtrack.json").read_text()))
    assert names <= set(model.state_dict())
    assert all(n.startswith("condition_head.") for n in set(model.state_dict()) - names)


def test_weight_rule_gives_the_published_weights(folder: Path) -> None:
    checks = json.loads((folder / "weights_check.json").read_text())
    shapes = json.loads((folder / "manifest_simtrack.json").read_text())
    shapes |= json.loads((folder / "manifest_classification_branch.json").read_text())
    blocks = [key for key in checks if "resblocks" in key]
    drawn = (set(checks) - set(blocks)) | {key for key in blocks if ".resblocks.7." in key}
    assert len(drawn) > 12
    for key in sorted(drawn):  # one block stands for the twelve, which differ in name only
        values = rule_values(key, tuple(shapes[key]), salt=0)
        total, crc = checks[key]
        assert float(values.astype(np.float64).sum()) == pytest.approx(total, abs=1e-5), key
        assert zlib.crc32(values.tobytes()) == crc, key
