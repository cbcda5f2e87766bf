"""A run that trains a tracker, and the evaluation of finished trackers."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt, model_validator

from mtl.config.base import Config
from mtl.config.modes import MODES, ModeName, ModeTraits
from mtl.config.run import RunConfig
from mtl.config.trackers import (
    PARTS,
    ConditionHeadConfig,
    HIPTrackConfig,
    LossConfig,
    ModelConfig,
)
from mtl.config.tracking_data import AugmentationConfig, DataConfig
from mtl.config.training import ClusterConfig, StageConfig
from mtl.errors import ConfigError


class EvaluationConfig(Config):
    """Online tracking at the end of a run."""

    splits: tuple[Literal["train", "val", "test"], ...] = ("val",)
    """Splits whose sequences are tracked when training has ended; each must exist."""
    max_sequences: PositiveInt | None = None
    """At most this many sequences of each split, in the order of the list; none: all."""


class TrackerRunConfig(RunConfig):
    """A run of one of the trackers."""

    mode: ModeName = "mtl_hard"
    """What learns: boxes alone (finetune_bbox), conditions too (mtl_*), nothing (pretrained)."""
    data: DataConfig = DataConfig()
    """Frames and labels."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Random changes of a training clip."""
    model: ModelConfig = HIPTrackConfig()
    """The network."""
    head: ConditionHeadConfig = ConditionHeadConfig()
    """The auxiliary head."""
    loss: LossConfig = LossConfig()
    """Losses and their weights."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Tracking at the end."""

    @property
    def traits(self) -> ModeTraits:
        """What `mode` stands for."""
        return MODES[self.mode]

    @property
    def condition_head(self) -> ConditionHeadConfig | None:
        """The auxiliary head as `mode` has it; none: the published tracker alone."""
        if not self.traits.answers:
            return None
        return self.head.model_copy(update={"fusion": self.fusion})

    @property
    def fusion(self) -> Literal["none", "residual", "film"]:
        """How conditions change the box head's input."""
        return self.head.fusion or ("film" if self.mode == "mtl_film" else "none")

    @property
    def trains(self) -> bool:
        """Whether `mode` learns anything."""
        return self.traits.trains

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the tracker's parts."""
        return PARTS[self.model.family]

    @property
    def running_stages(self) -> dict[str, StageConfig]:
        """Stages that run: they have epochs, and something that learns in this mode."""
        if not self.trains:
            return {}
        parts = set(self.parts)
        if self.condition_head is None:
            parts.remove("condition_head")
        return {n: s for n, s in self.stages.items() if s.epochs and parts - s.freeze.keys()}

    @property
    def has_class_token(self) -> bool:
        """Whether the network has a class token for the condition head to look at."""
        return self.model.family == "simtrack"

    @model_validator(mode="after")
    def _check_mode(self) -> TrackerRunConfig:
        if self.mode == "mtl_film" and self.fusion != "film":
            raise ValueError(
                f"mode=mtl_film needs head.fusion=film, got {self.head.fusion}; "
                "mode=mtl_multilabel learns the same targets with any fusion"
            )
        if self.condition_head and self.head.pool == "class_token" and not self.has_class_token:
            raise ValueError("head.pool=class_token needs model.family=simtrack; use mean_search")
        return self


class EvaluateConfig(Config):
    """An evaluation of finished models, which bring their own network with them."""

    data: DataConfig = DataConfig()
    """Sequences to track, in any layout; root null: the embedded ones."""
    cluster: ClusterConfig = ClusterConfig()
    """Placement of `cluster/evaluate.py`: workers, and the CPUs and GPUs of each."""


def as_tracker(config: RunConfig, origin: str) -> TrackerRunConfig:
    """The config of a tracker; `origin` names it in the message.

    Raises:
        ConfigError: if it is of another family.
    """
    if not isinstance(config, TrackerRunConfig):
        raise ConfigError(
            f"{origin} is of family {config.model.family}; this needs a tracker, of family "
            f"{' or '.join(PARTS)}."
        )
    return config
