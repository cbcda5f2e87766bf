"""How the losses of several tasks become one step."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat

from mtl.config.base import Config, Ratio


class FixedWeighting(Config):
    """Tasks weigh what the loss weights say."""

    kind: Literal["fixed"] = "fixed"
    """Names this scheme."""


class LearnableWeighting(Config):
    """Weights sigmoid(r) over their sum, learned with the model."""

    kind: Literal["learnable"] = "learnable"
    """Names this scheme."""
    learning_rate: PositiveFloat | None = 1e-3
    """Learning rate of r; null: that of the stage, with its schedule."""
    weight_decay: NonNegativeFloat = 0.0
    """Decoupled weight decay of r, which pulls towards equal weights."""
    start: float = 0.0
    """Every task's r at the start."""
    floor: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.0
    """Least weight of a task; what is left above the floors is shared."""


class UncertaintyWeighting(Config):
    """Homoscedastic uncertainty (Kendall et al., CVPR 2018): exp(-s) loss + s, s learned."""

    kind: Literal["uncertainty"] = "uncertainty"
    """Names this scheme."""
    learning_rate: PositiveFloat = 1e-3
    """Learning rate of s."""


class DWAWeighting(Config):
    """Dynamic weight average (Liu et al., CVPR 2019): by how fast each loss fell last epoch."""

    kind: Literal["dwa"] = "dwa"
    """Names this scheme."""
    temperature: PositiveFloat = 2.0
    """Softness of the weights."""


class RLWWeighting(Config):
    """Random loss weighting (Lin et al., TMLR 2022): softmax of normal numbers, new each step."""

    kind: Literal["rlw"] = "rlw"
    """Names this scheme."""


class FAMOWeighting(Config):
    """Fast adaptive multitask optimisation (Liu et al., NeurIPS 2023)."""

    kind: Literal["famo"] = "famo"
    """Names this scheme."""
    learning_rate: PositiveFloat = 0.025
    """Learning rate of the weights' logits."""
    decay: NonNegativeFloat = 1e-3
    """Weight decay of the logits."""


class PCGradWeighting(Config):
    """Projecting conflicting gradients (Yu et al., NeurIPS 2020), in a random order per step."""

    kind: Literal["pcgrad"] = "pcgrad"
    """Names this scheme."""


class CAGradWeighting(Config):
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021)."""

    kind: Literal["cagrad"] = "cagrad"
    """Names this scheme."""
    c: Ratio = 0.5
    """How far the direction may leave the mean gradient, over its length."""


class NashMTLWeighting(Config):
    """Nash bargaining over gradients (Navon et al., ICML 2022)."""

    kind: Literal["nash_mtl"] = "nash_mtl"
    """Names this scheme."""


Weighting = Annotated[
    FixedWeighting
    | LearnableWeighting
    | UncertaintyWeighting
    | DWAWeighting
    | RLWWeighting
    | FAMOWeighting
    | PCGradWeighting
    | CAGradWeighting
    | NashMTLWeighting,
    Field(discriminator="kind"),
]
"""How the losses of several tasks become one step."""

GRADIENT_KINDS = ("pcgrad", "cagrad", "nash_mtl")
"""Schemes that combine the gradients of tasks instead of weighing their losses."""
