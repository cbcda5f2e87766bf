"""How the published fixtures are made and compared (FIXTURES.md of either tracker's reference)."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

EMBEDDINGS = ("positional_embedding", "class_embedding")


class Fixture:
    """A .npz file of arrays by name and its `meta`."""

    def __init__(self, path: Path) -> None:
        self.arrays = np.load(path)
        self.meta: dict[str, Any] = (
            json.loads(str(self.arrays["meta"])) if "meta" in self.arrays else {}
        )

    def __getitem__(self, name: str) -> np.ndarray:
        return self.arrays[name]

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def frames(self, name: str) -> Tensor:
        """`f1.name`, `f2.name`, ... stacked along a new second axis."""
        numbers = range(1, int(self.meta["frames"]) + 1)
        return torch.stack([torch.from_numpy(self[f"f{t}.{name}"]) for t in numbers], dim=1)


def rule_values(key: str, shape: tuple[int, ...], salt: int, gain: float = 1.0) -> np.ndarray:
    """The weight rule: values of a state-dict entry from its name alone, times a gain."""
    if key.endswith("num_batches_tracked"):
        return np.zeros(shape, dtype=np.int64)
    z = np.random.default_rng([salt, zlib.crc32(key.encode("utf-8"))]).standard_normal(shape)
    if key.endswith("running_var"):
        z = 1 + 0.1 * np.abs(z)
    elif key.endswith("running_mean"):
        z = 0.1 * z
    elif key.endswith(EMBEDDINGS) or (len(shape) == 3 and shape[0] == 1):
        z = 0.2 * z
    elif len(shape) == 1 and key.endswith(".weight"):
        z = 1 + 0.1 * z
    elif len(shape) <= 1:
        z = 0.02 * z - (1.5 if key.endswith("conv5_size.bias") else 0.0)
    else:
        z = z / np.sqrt(np.prod(shape[1:])) * (2.0 if key.endswith("conv5_ctr.weight") else 1.0)
    return np.asarray(gain * z, dtype=np.float32)


def fill_by_rule(
    module: nn.Module, salt: int, prefix: str = "", gains: Mapping[str, float] | None = None
) -> None:
    """Give every entry of the module the rule's values under `prefix` plus its name."""
    gains = gains or {}
    state = {
        name: torch.from_numpy(
            rule_values(prefix + name, tuple(entry.shape), salt, gains.get(prefix + name, 1.0))
        )
        for name, entry in module.state_dict().items()
    }
    module.load_state_dict(state)


def corner_gains(meta: Mapping[str, Any]) -> dict[str, float]:
    """What a SimTrack fixture multiplies its corner head's last weights by."""
    return {f"box_head.conv5_{name}.weight": meta[f"head_gain_{name}"] for name in ("tl", "br")}


def rule_image(seed: int, number: int, batch: int, side: int) -> Tensor:
    """The input rule: image `number` of a fixture, (B, 3, side, side)."""
    draws = np.random.default_rng([seed, number]).standard_normal((batch, 3, side, side))
    return torch.from_numpy(draws.astype(np.float32))


def rule_picture(seed: list[int], height: int, width: int) -> np.ndarray:
    """The 8-bit picture rule, (H, W, 3) uint8."""
    low = np.random.default_rng(seed).integers(0, 256, (height // 8, width // 8, 3), dtype=np.uint8)
    return low.repeat(8, axis=0).repeat(8, axis=1)


def scene(height: int, width: int, shift: int = 0) -> np.ndarray:
    """The 8-bit picture rule of the SimTrack fixtures, (H, W, 3) uint8."""
    y, x, c = np.ogrid[:height, :width, :3]
    coarse = _triangle(3 * (x + shift) + 5 * y + 40 * c, 97) * 255 // 97
    fine = _triangle(7 * y - 2 * (x - 2 * shift) + 1000 + 13 * c, 61) * 255 // 61
    return ((coarse + fine) // 2).astype(np.uint8)


def _triangle(values: np.ndarray, period: int) -> np.ndarray:
    rest = values % (2 * period)
    return np.where(rest < period, rest, 2 * period - rest)


def assert_summary(fixture: Fixture, name: str, tensor: Tensor, tolerance: float) -> None:
    """Compare a tensor (B, ...) with the summary fields stored under `name`."""
    rows = tensor.detach().float().flatten(1)
    step = rows.shape[1] // 256 + 1
    found = {
        "mean": rows.mean(dim=1),
        "std": rows.std(dim=1, correction=0),
        "first64": rows[0, :64],
        "strided": rows[:, ::step][:, :256],
    }
    for field, value in found.items():
        assert_near(value, fixture[f"{name}.{field}"], tolerance, f"{name}.{field}")


def assert_mask(fixture: Fixture, name: str, mask: Tensor) -> None:
    """Compare masks (B, 1, s, s) with the packed ones stored under `name`, exactly."""
    rows = mask.flatten(1).to(torch.uint8).numpy()
    np.testing.assert_array_equal(rows.sum(axis=1, dtype=np.int64), fixture[f"{name}.sum"], name)
    np.testing.assert_array_equal(np.packbits(rows, axis=1), fixture[f"{name}.bits"], name)


def assert_near(found: Tensor, wanted: np.ndarray | Tensor, tolerance: float, name: str) -> None:
    """Largest absolute difference within the tolerance."""
    error = (found.detach().double().cpu() - torch.as_tensor(wanted).double()).abs().max().item()
    assert error <= tolerance, f"{name} is off by {error:.2e}, more than {tolerance:.0e}"
