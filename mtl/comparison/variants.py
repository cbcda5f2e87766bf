"""The models that are compared: one config without the condition head, and with each fusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mtl.config.load import load_tracker
from mtl.config.schema import TrackerRunConfig
from mtl.errors import ConfigError

OFF = "head off"
"""The variant the others are divided by."""
FUSIONS = ("none", "residual", "film")


class Variant(NamedTuple):
    """One model of a comparison."""

    source: str
    """Preset or file."""
    name: str
    """OFF or a fusion."""
    config: TrackerRunConfig


def variants_of(source: str, overrides: Sequence[str] = ()) -> list[Variant]:
    """The four variants of a config, OFF first.

    Args:
        source: preset or YAML file.
        overrides: words `section.key=value`; `mode` may choose what the head learns.

    Raises:
        ConfigError: as `load_tracker`, or the words set what the comparison varies.
    """
    for word in overrides:
        if word.split("=", 1)[0] == "head.fusion":
            raise ConfigError(f"the comparison itself sets head.fusion; leave out '{word}'.")
    given = load_tracker(source, overrides)
    mode = given.mode if given.traits.answers else "mtl_hard"
    if mode == "mtl_film":  # the same targets; it would allow no other fusion
        mode = "mtl_multilabel"
    # What looks at the data set costs a step nothing, and there is none here.
    words = [*overrides, "loss.class_weights=false", "data.weighted_sampling=false"]
    off = load_tracker(source, [*words, "head.fusion=none", "mode=finetune_bbox"])
    fused = [
        load_tracker(source, [*words, f"head.fusion={name}", f"mode={mode}"]) for name in FUSIONS
    ]
    return [
        Variant(source, name, config)
        for name, config in zip((OFF, *FUSIONS), (off, *fused), strict=True)
    ]
