"""The ten maritime conditions: names, the class orders in use, and the rules that pick one.

Names are the truth. A class number means nothing without the order it belongs to, and four orders
are in use; numbers leave this project in the order of `CONDITIONS` only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NamedTuple

CONDITIONS: tuple[str, ...] = (
    "occlusion",
    "illumination_change",
    "scale_variation",
    "motion_blur",
    "variance_in_appearance",
    "partial_visibility",
    "low_resolution",
    "background_clutter",
    "low_contrast",
    "normal",
)
"""Canonical order; also that of the HIPTrack documents and of the generator's `classes`."""

IGNORE = -100
"""Class number of a frame without a label; losses and metrics leave it out."""

CONDITION_IDS: dict[str, int] = {name: number for number, name in enumerate(CONDITIONS)}
"""Canonical number of a canonical name."""

SIMTRACK_GUIDE_ORDER: tuple[str, ...] = (
    "motion_blur",
    "illumination_change",
    "scale_variation",
    "variance_in_appearance",
    "partial_visibility",
    "occlusion",
    "background_clutter",
    "low_resolution",
    "low_contrast",
    "normal",
)
"""Order of the table in the SimTrack guide; no known model was trained with it."""

SIMTRACK_ORDER: tuple[str, ...] = (
    "motion_blur",
    "illumination_change",
    "variance_in_appearance",
    "partial_visibility",
    "background_clutter",
    "occlusion",
    "scale_variation",
    "low_resolution",
    "low_contrast",
    "normal",
)
"""Order of the SimTrack code, so of the heads trained with it."""

CLASS_ORDERS: dict[str, tuple[str, ...]] = {
    "hiptrack": CONDITIONS,
    "simtrack": SIMTRACK_ORDER,
    "simtrack_guide": SIMTRACK_GUIDE_ORDER,
}
"""The orders whose ten classes are the canonical ones."""

KEYS: dict[str, str] = {
    "occlusion": "occlusion",
    "illu_change": "illumination_change",
    "scale_variation": "scale_variation",
    "motion_blur": "motion_blur",
    "variance_appear": "variance_in_appearance",
    "partial_visibility": "partial_visibility",
    "low_res": "low_resolution",
    "background_clutter": "background_clutter",
    "low_contrast": "low_contrast",
}
"""Keys of annotation records (v1) and what they are called here."""

ATTRIBUTES: dict[str, str] = {
    "scale_variation": "scale_variation",
    "low_resolution": "low_resolution",
    "low_contrast": "low_contrast",
    "motion_blur": "motion_blur",
    "out_of_frame": "partial_visibility",
    "occlusion": "occlusion",
    "background_clutter": "background_clutter",
    "specular_glare": "illumination_change",
    "illumination_appearance_change": "illumination_change",
}
"""Attributes of annotation records (v2), in their own class order, and what they are called here.

Three have no class of the same name. `out_of_frame` is the border test that took the place of
partial_visibility, as the published converter has it; `illumination_appearance_change` merges
illumination_change and variance_in_appearance and counts as the former; `specular_glare` is a
change of light.
"""

KEY_ATTRIBUTES: dict[str, str] = {
    "occlusion": "occlusion",
    "illu_change": "illumination_appearance_change",
    "scale_variation": "scale_variation",
    "motion_blur": "motion_blur",
    "variance_appear": "illumination_appearance_change",
    "partial_visibility": "out_of_frame",
    "low_res": "low_resolution",
    "background_clutter": "background_clutter",
    "low_contrast": "low_contrast",
}
"""Keys of annotation records (v1) read as attributes (v2), as the published converter does.

No key asks for `specular_glare`, so v1 records leave it unknown; the converter calls it absent.
"""

COMPUTED_ATTRIBUTES = frozenset(
    ("scale_variation", "low_resolution", "low_contrast", "motion_blur", "out_of_frame")
)
"""Attributes (v2) that are computed from box and pixels, not asked of a vision language model."""

ATTRIBUTE_NAMES: tuple[str, ...] = tuple(ATTRIBUTES)
"""The nine attributes in the order in which targets and outputs hold them."""

OUTPUT_NAMES: dict[str, tuple[str, ...]] = {
    "classes": CONDITIONS,
    "attributes": (*ATTRIBUTE_NAMES, "severity"),
}
"""What the ten outputs of a condition head are called, by what it answers."""

_HIPTRACK_VLM = (
    "occlusion",
    "motion_blur",
    "illu_change",
    "partial_visibility",
    "variance_appear",
    "background_clutter",
)
_COMPUTED = ("scale_variation", "low_res", "low_contrast")

LabelRule = Literal["hiptrack", "simtrack"]
DecidedBy = Literal["vlm", "computed", "normal", "given", "unlabelled"]


class Label(NamedTuple):
    """A frame's condition (none: unlabelled) and the kind of evidence that decided it."""

    condition: str | None
    decided_by: DecidedBy


UNLABELLED = Label(None, "unlabelled")


def label_from_flags(
    vlm: Mapping[str, bool], computed: Mapping[str, bool], rule: LabelRule
) -> Label:
    """One condition from the flags of a v1 record (annotation formats, section 3).

    A flag of the vision language model goes before a computed one; no flag is `normal`. Among
    several, `hiptrack` takes the first of occlusion, motion_blur, illu_change, partial_visibility,
    variance_appear, background_clutter, and `simtrack` the first in the record's own order. Where
    several computed flags are set the published HIPTrack reader draws one at random at every read;
    here `hiptrack` takes the first of scale_variation, low_res, low_contrast, always.

    Args:
        vlm: annotation key -> set or not, in the record's order.
        computed: the same for the computed flags.
        rule: who wins among several flags.
    """
    orders = (_HIPTRACK_VLM, _COMPUTED) if rule == "hiptrack" else (tuple(vlm), tuple(computed))
    for kind, flags, order in (("vlm", vlm, orders[0]), ("computed", computed, orders[1])):
        for key in order:
            if flags.get(key):
                return Label(KEYS[key], "vlm" if kind == "vlm" else "computed")
    return Label("normal", "normal")


def label_from_probabilities(probabilities: Mapping[str, float], parsed: bool) -> Label:
    """One condition from the probabilities of a v2 record (annotation formats, section 3).

    The largest probability wins, ties go to the earlier of `ATTRIBUTES`; `normal` if it is below
    0.5. A frame whose model answers could not be parsed is unlabelled rather than calm, unless a
    computed attribute fires.

    Args:
        probabilities: attribute -> probability; absent ones are 0.
        parsed: whether at least one answer of the vision language model could be read.
    """
    best = max(ATTRIBUTES, key=lambda name: probabilities.get(name, 0.0))
    if probabilities.get(best, 0.0) < 0.5:
        return Label("normal", "normal") if parsed else UNLABELLED
    return Label(ATTRIBUTES[best], "computed" if best in COMPUTED_ATTRIBUTES else "vlm")


def canonical_name(text: str) -> str | None:
    """Canonical name of a class as people spell it ("Low Contrast Object"), none if unknown."""
    word = "_".join(text.strip().lower().replace("-", " ").replace("_", " ").split())
    if word in CONDITION_IDS:
        return word
    return (
        KEYS.get(word) or ATTRIBUTES.get(word) or {"low_contrast_object": "low_contrast"}.get(word)
    )
