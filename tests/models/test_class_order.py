"""Condition heads trained in another class order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mtl.conditions import CLASS_ORDERS, CONDITIONS, OUTPUT_NAMES
from mtl.errors import CheckpointError
from mtl.models.class_order import ORDERS, canonical_head
from mtl.models.model_file import load_model, open_model, save_model
from tests.models.weights.sources import run_config, small_weights

HEAD = "condition_head."


def test_there_are_four_orders_and_three_of_them_have_the_same_classes() -> None:
    assert set(ORDERS) == {"hiptrack", "simtrack", "simtrack_guide", "v2"}
    assert [len(set(order)) for order in ORDERS.values()] == [10] * 4
    assert sum(sorted(order) == sorted(CONDITIONS) for order in ORDERS.values()) == 3


def rewritten(path: Path, mode: str, names: Any) -> tuple[Path, dict[str, torch.Tensor]]:
    """A model file whose head's outputs are called by these names."""
    config = run_config("simtrack", mode)
    weights = small_weights(config)
    save_model(path, weights, config, {})
    _, metadata = load_model(path)
    save_file(weights, path, metadata | {"classes": json.dumps(names)})
    return path, weights


@pytest.mark.parametrize("order", CLASS_ORDERS)
def test_a_model_file_in_another_order_opens_in_ours(tmp_path: Path, order: str) -> None:
    names = CLASS_ORDERS[order]
    path, weights = rewritten(tmp_path / "m.safetensors", "mtl_hard", names)
    model: Any
    model, _ = open_model(path)
    features = torch.randn(5, model.condition_head.fc2.in_features)
    theirs = features @ weights[f"{HEAD}fc2.weight"].T + weights[f"{HEAD}fc2.bias"]
    ours = model.condition_head.logits(features)
    for column, name in enumerate(model.condition_head.names):
        assert torch.allclose(ours[:, column], theirs[:, names.index(name)], atol=1e-6)
    assert json.loads(load_model(path)[1]["classes"]) == list(CONDITIONS)


def test_what_reads_the_outputs_is_reordered_with_them(tmp_path: Path) -> None:
    """FiLM sees the probabilities: in whatever order they come, the modulation is the same."""
    names = OUTPUT_NAMES["attributes"][::-1]
    path, _ = rewritten(tmp_path / "m.safetensors", "mtl_film", names)
    model: Any
    model, _ = open_model(path)
    head = model.condition_head
    plain, _ = open_model(rewritten(tmp_path / "n.safetensors", "mtl_film", names[::-1])[0])
    features, maps = torch.randn(2, head.fc2.in_features), torch.randn(2, 24, 4, 4)
    assert torch.allclose(
        head.fuse(maps, features), plain.condition_head.fuse(maps, features), atol=1e-5
    )
    assert not torch.equal(head.film.fc1.weight, plain.condition_head.film.fc1.weight)


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("fog", *CONDITIONS[1:]), "among its outputs are fog, and of ours it lacks occlusion"),
        ((*CONDITIONS[:9], CONDITIONS[0]), "one of ours twice, and of ours it lacks normal"),
        (CONDITIONS[:9], "it lacks normal"),
        (ORDERS["v2"], "illumination_appearance_change, out_of_frame, specular_glare"),
        ([], "it lacks background_clutter"),
        ({"a": 1}, "class names are no list of texts"),
    ],
)
def test_a_head_of_other_classes_is_refused(tmp_path: Path, names: Any, words: str) -> None:
    path, _ = rewritten(tmp_path / "m.safetensors", "mtl_hard", names)
    for attempt in (load_model, open_model):
        with pytest.raises(CheckpointError) as caught:
            attempt(path)
        assert words in str(caught.value)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_head_with_fewer_rows_than_names_is_refused() -> None:
    weights = {f"{HEAD}fc2.weight": torch.zeros(9, 4), f"{HEAD}fc2.bias": torch.zeros(9)}
    with pytest.raises(CheckpointError, match=r"9 outputs in .* but 10 names"):
        canonical_head(weights, CONDITIONS, "x", "do something")


def test_a_model_without_a_head_has_no_order() -> None:
    weights = {"key_comp.bias": torch.ones(3)}
    assert canonical_head(weights, ("fog",), "x", "do something") == (weights, ("fog",))
