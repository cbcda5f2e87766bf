"""The published fixtures of the unified model and their weight rule (its specification, 10)."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mtl.config.unified import UnifiedConfig
from mtl.models.unified import Unified
from mtl.models.weights.unified_names import our_name
from tests.parity import Fixture


class Published:
    """The folder of fixtures."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "unified"
        self._about = json.loads((self.folder / "fixtures.json").read_text())
        self.state = json.loads((self.folder / "state_dict.json").read_text())

    def fixture(self, name: str) -> Fixture:
        return Fixture(self.folder / f"{name}.npz")

    def config(self, name: str | None = None, **changes: Any) -> UnifiedConfig:
        """Class configuration of a fixture, or of the published weights."""
        sizes = (self._about["files"][f"{name}.npz"] if name else self.state)["config"]
        return UnifiedConfig(
            num_det_classes=sizes["nc_det"],
            num_seg_classes=sizes["nc_seg"],
            num_cls_classes=sizes["nc_cls"],
            num_boxes=sizes["n_bbox"],
            **changes,
        )

    def tolerance(self, name: str) -> float:
        """The number a tolerance begins with."""
        return float(self._about["tolerances"][name].removeprefix("float32: ").split()[0])

    def original_name(self) -> dict[str, str]:
        """What the original calls each of our entries."""
        return {our_name(entry["key"]): entry["key"] for entry in self.state["state_dict"]}

    def fill(self, model: Unified) -> None:
        """Give every entry the rule's values under its original name."""
        originals = self.original_name()
        state = model.state_dict()
        model.load_state_dict({n: rule(originals[n], entry) for n, entry in state.items()})


def rule(key: str, entry: Tensor) -> Tensor:
    """The weight rule; integers stay as they are."""
    if not entry.is_floating_point():
        return entry
    n = np.random.default_rng(zlib.crc32(key.encode("utf-8"))).standard_normal(tuple(entry.shape))
    if key.endswith(".running_var"):
        values = 1 + 0.1 * np.abs(n)
    elif key.endswith(".running_mean"):
        values = 0.1 * n
    elif entry.dim() == 1 and key.endswith(".weight"):
        values = 1 + 0.1 * n
    elif entry.dim() <= 1:
        values = 0.02 * n
    else:
        values = n / np.sqrt(np.prod(entry.shape[1:]))
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def use_batch_statistics(model: nn.Module) -> None:
    """Every normalisation layer in training mode, everything else as in evaluation."""
    model.eval()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.train()


def assert_close(found: Tensor, wanted: np.ndarray, absolute: float, name: str) -> None:
    """Within the absolute tolerance and a relative one of 1e-4."""
    found = found.detach()
    assert found.shape == wanted.shape, name
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=absolute, err_msg=name)
