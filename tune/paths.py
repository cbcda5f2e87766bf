"""Places in the plain values of a config, named as `loss.cls_weight`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from mtl.errors import ConfigError

TAGS = ("kind", "family")
"""Keys that say what the other keys of their map mean."""


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """What stands at a path.

    Raises:
        KeyError: nothing does.
    """
    place: Any = values
    for key in path.split("."):
        if not isinstance(place, Mapping):
            raise KeyError(path)
        place = place[key]
    return place


def put_at(values: dict[str, Any], path: str, value: Any) -> None:
    """Put a value at a path, making the maps above it where there are none.

    Raises:
        ConfigError: something that is no map stands above it.
    """
    *parents, last = path.split(".")
    place = values
    for depth, parent in enumerate(parents):
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            above = ".".join(parents[: depth + 1])
            raise ConfigError(f"'{above}' has no keys below it, so '{path}' is no key.")
    place[last] = copy.deepcopy(value)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two trees of values, those of `above` winning.

    An empty map, and one whose kind or family differs, replaces the map below it whole.
    """
    found = dict(below)
    for key, value in above.items():
        old = below.get(key)
        if isinstance(value, Mapping) and isinstance(old, Mapping) and _joins(old, value):
            found[key] = merged(old, value)
        else:
            found[key] = copy.deepcopy(value)
    return found


def _joins(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    return bool(new) and all(new.get(tag, old.get(tag)) == old.get(tag) for tag in TAGS)
