"""CLIP's visual tower, as OpenAI and timm publish it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from mtl.config.schema import TrackerRunConfig
from mtl.models.build import build_model
from mtl.models.simtrack import SimTrack
from mtl.models.weights import Imported
from mtl.models.weights.kinds import kind_of
from tests.models.weights.importing import bring, flat, refused
from tests.models.weights.sources import (
    run_config,
    save_script,
    small_clip,
    small_vit,
)


def clip_tokens(imported: Imported, config: TrackerRunConfig, images: Tensor) -> Tensor:
    """What SimTrack's tower makes of pictures of 14 x 14 patches."""
    model = build_model(config)
    assert isinstance(model, SimTrack)
    model.load_state_dict(imported.weights, strict=False)
    visual = model.backbone.visual
    with torch.no_grad():
        return visual(visual.embed_search(images, 14))


@pytest.mark.parametrize("form", ["script", "state_dict", "safetensors"])
def test_clips_visual_tower_is_taken_and_gives_the_same_tokens(tmp_path: Path, form: str) -> None:
    clip = small_clip()
    path = tmp_path / "clip.pt"
    if form == "script":
        save_script(clip, path)
    elif form == "state_dict":
        torch.save(clip.state_dict(), path)
    else:
        save_file(dict(clip.state_dict()), path)
    config = run_config("simtrack")
    imported = bring(path, "clip", config)
    assert not imported.whole
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        wanted = clip.float()(images)
    assert torch.allclose(clip_tokens(imported, config, images), wanted, atol=1e-5)
    visual = [name for name in clip.state_dict() if name.startswith("visual.")]
    assert len(imported.report.renamed) == len(visual) == len(imported.weights)
    assert all(name.startswith("backbone.visual.") for name in imported.weights)
    assert imported.report.ignored["context_length"] == "a number about CLIP"
    assert imported.report.ignored["token_embedding.weight"] == "CLIP's text tower"
    assert len(imported.report.ignored) + len(visual) == len(clip.state_dict())
    assert imported.report.missing["bottleneck.weight"] == "no such file has it; it starts fresh"


def test_timms_clip_is_taken_and_gives_the_same_tokens(tmp_path: Path) -> None:
    timm_clip = small_vit(clip=True)
    path = tmp_path / "clip.safetensors"
    save_file(timm_clip.state_dict(), path)
    config = run_config("simtrack")
    imported = bring(path, "clip", config)
    images = torch.randn(2, 3, 112, 112)
    with torch.no_grad():
        wanted = timm_clip.forward_features(images)
    assert torch.allclose(clip_tokens(imported, config, images), wanted, atol=1e-4)
    proj = imported.weights["backbone.visual.proj"]
    assert torch.equal(proj, timm_clip.head.weight.T)
    assert imported.report.ignored == {"head.bias": "zero in CLIP"}
    assert any("quickgelu" in note for note in imported.report.notes)


def test_clip_must_fill_the_whole_tower(tmp_path: Path) -> None:
    state = small_clip().state_dict()
    del state["visual.ln_pre.weight"]
    path = flat(tmp_path / "clip.pt", state)
    message = refused(path, "clip", run_config("simtrack"))
    assert "--allow-missing 'backbone.visual.ln_pre.weight'" in message


def test_clip_names_are_the_published_map(reference_root: Path) -> None:
    folder = reference_root / "simtrack"
    table = json.loads((folder / "map_to_simtrack.json").read_text())
    manifests = {"openai_clip": "openai_clip_vitb16_visual", "timm": "timm_vitb16_clip"}
    for key, manifest in manifests.items():
        shapes = json.loads((folder / f"manifest_{manifest}.json").read_text())
        shapes = {name: tuple(shape) for name, shape in shapes.items()}
        kind = kind_of(shapes)
        assert kind.family == "clip"
        assert kind.plan is not None
        plan = kind.plan(shapes, {})
        wanted = {n: t if isinstance(t, str) else t[0] for n, t in table[key].items()}
        found: dict[str, str | None] = {move.source: move.target for move in plan.moves}
        assert found | dict.fromkeys(plan.ignored) == wanted
        targets = json.loads((folder / "manifest_simtrack.json").read_text())
        for move in plan.moves:
            assert list(move.shape) == targets[move.target], move.source
