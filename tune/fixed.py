"""What must be equal in all trials, or they could not be compared or placed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mtl.config.run import RunConfig
from mtl.errors import ConfigError

FIXED = (
    *("name", "storage", "resume", "cluster", "model.family", "training.samples_per_epoch"),
    *("seed", "data", "training.val_samples", "checkpoint", "evaluation", "diagnostics"),
)
"""Keys, with all below them. A seed would be the search for a lucky one, and runs that are to
confirm a trial have seeds of their own; the others say what a trial is judged on, and when."""
FREE = (
    *("data.weighted_sampling", "data.sizes"),
    *("data.synthetic.train_sequences", "data.synthetic.train_images"),
    *("data.det_splits.train", "data.seg_splits.train", "data.cls_splits.train"),
)
"""Of those the ones that leave the validation samples as they are."""


def require_free(path: str, where: str) -> None:
    """Refuse a key that cannot be searched; `where` names the parameter.

    Raises:
        ConfigError: it must be equal in all trials.
    """
    if _is_fixed(path):
        raise ConfigError(f"{where}: {path} must be equal in all trials; set run.{path}.")


def require_equal(base: RunConfig, run: RunConfig, where: str) -> None:
    """Refuse a map of keys among which one differs that must be equal in all trials.

    Raises:
        ConfigError: names it.
    """
    for key, mine, other in differing(base, run):
        if _is_fixed(key):
            raise ConfigError(
                f"{where}: {key} must be equal in all trials, but one of the values makes it "
                f"{other!r}; give each the run's own {mine!r}."
            )


def differing(base: RunConfig, run: RunConfig) -> Iterator[tuple[str, Any, Any]]:
    """Keys, sorted, that have none below them and differ: (key, value of base, value of run)."""
    mine, other = (dict(_leaves("", one.model_dump(mode="json"))) for one in (base, run))
    for key in sorted(mine.keys() | other.keys()):
        if mine.get(key) != other.get(key):
            yield key, mine.get(key), other.get(key)


def among(path: str, keys: tuple[str, ...]) -> bool:
    """Whether a key is one of these or below one."""
    return any(path == key or path.startswith(f"{key}.") for key in keys)


def _is_fixed(path: str) -> bool:
    return among(path, FIXED) and not among(path, FREE)


def _leaves(front: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{front}.{key}" if front else key, inner)
    else:
        yield front, value
