"""What the tests of importing share."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mtl.config.schema import TrackerRunConfig
from mtl.errors import ConfigError, MtlError
from mtl.models.weights import Imported, Wishes, import_files


def bring(
    path: Path | list[Path], family: str, config: TrackerRunConfig, **wishes: Any
) -> Imported:
    paths = path if isinstance(path, list) else [path]
    return import_files(paths, Wishes(family, config, **wishes))


def refused(path: Path | list[Path], family: str, config: TrackerRunConfig, **wishes: Any) -> str:
    """The one sentence with which an import is refused."""
    with pytest.raises(MtlError) as caught:
        bring(path, family, config, **wishes)
    message = str(caught.value)
    assert "\n" not in message
    assert message.rstrip(".").count(". ") == 0
    first = path[0] if isinstance(path, list) else path
    assert str(first) in message or isinstance(caught.value, ConfigError)
    return message


def assert_same(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    assert found.keys() == wanted.keys()
    for name, tensor in wanted.items():
        assert torch.equal(found[name], tensor), name


def flat(path: Path, weights: Mapping[str, Tensor]) -> Path:
    torch.save(dict(weights), path)
    return path


def other_names(weights: Mapping[str, Tensor], rest: Mapping[str, str]) -> dict[str, Tensor]:
    found = {}
    for name, tensor in weights.items():
        for ours, theirs in rest.items():
            if name.startswith(ours):
                found[theirs + name.removeprefix(ours)] = tensor
                break
    return found


PYSOT = {
    "backbone.visual.": "model.backbone.clip.",
    "backbone.pos_fc.0.": "model.neck.foveal.lin_a.",
    "backbone.pos_fc.2.": "model.neck.foveal.lin_b.",
    "bottleneck.": "model.neck.reduce.",
    **{
        f"box_head.conv{number}_{branch}{part}": f"model.head.{branch}_branch.layer{number}{other}"
        for number in range(1, 6)
        for branch in ("tl", "br")
        for part, other in ((".0.", ".conv."), (".1.", ".bn."), (".", ".conv."))
    },
}
