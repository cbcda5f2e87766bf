"""The run modes: one switch for what a tracker learns (annotation formats, section 6)."""

from __future__ import annotations

from typing import Literal, NamedTuple

ModeName = Literal[
    "pretrained", "finetune_bbox", "mtl_hard", "mtl_soft", "mtl_multilabel", "mtl_film"
]
Answers = Literal["classes", "attributes"]
"""What the condition head's outputs mean: one of ten classes, or nine attributes and severity."""


class ModeTraits(NamedTuple):
    """What a mode stands for."""

    trains: bool
    """False: the weights of `model.init` are validated and tracked with as they are."""
    answers: Answers | None
    """Outputs of the condition head; none: no such head."""
    targets: Literal["hard", "soft", "multilabel"] | None
    """Targets of the condition loss: a class, a distribution over the classes, or attributes."""


MODES: dict[str, ModeTraits] = {
    "pretrained": ModeTraits(trains=False, answers=None, targets=None),
    "finetune_bbox": ModeTraits(trains=True, answers=None, targets=None),
    "mtl_hard": ModeTraits(trains=True, answers="classes", targets="hard"),
    "mtl_soft": ModeTraits(trains=True, answers="classes", targets="soft"),
    "mtl_multilabel": ModeTraits(trains=True, answers="attributes", targets="multilabel"),
    "mtl_film": ModeTraits(trains=True, answers="attributes", targets="multilabel"),
}
