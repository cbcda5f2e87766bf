"""A run that trains the unified model: three teachers, and the student of all three."""

from __future__ import annotations

from typing import Literal

from pydantic import PositiveInt, model_validator

from mtl.config.base import Config
from mtl.config.retention import RetentionConfig
from mtl.config.run import RunConfig
from mtl.config.training import CheckpointConfig, ClusterConfig, StageConfig
from mtl.config.unified import (
    UNIFIED_PARTS,
    UNIFIED_TASKS,
    UnifiedConfig,
    UnifiedLossConfig,
    UnifiedTaskName,
    check_unified,
)
from mtl.config.unified_data import UnifiedAugmentationConfig, UnifiedDataConfig
from mtl.config.weighting import GRADIENT_KINDS, LearnableWeighting

STAGES = ("teachers", "joint")
"""The stages of the family: one model for each task, then one for all."""


class TeachersConfig(Config):
    """Where the teachers are, or how they are made."""

    det: str | None = None
    """Detection teacher: run folder or model file, local or URI; none: trained by this run."""
    seg: str | None = None
    """Segmentation teacher; none: trained by this run."""
    cls: str | None = None
    """Classification teacher; none: trained by this run."""
    batch_size: PositiveInt = 16
    """Images per optimiser step of a teacher that this run trains."""

    def path(self, task: UnifiedTaskName) -> str | None:
        """Where a task's teacher is."""
        paths: dict[UnifiedTaskName, str | None] = {
            "det": self.det,
            "seg": self.seg,
            "cls": self.cls,
        }
        return paths[task]


class UnifiedEvaluationConfig(Config):
    """Evaluation of the best weights at the end of a run."""

    splits: tuple[Literal["train", "val", "test"], ...] = ("val", "test")
    """Splits that are evaluated when training has ended; each must exist."""
    pictures: PositiveInt = 4
    """Images of each task shown in the report."""


class UnifiedEvaluateConfig(Config):
    """An evaluation of finished models, which bring their own network with them."""

    data: UnifiedDataConfig = UnifiedDataConfig()
    """Images and labels to answer; without any root, the embedded scenes."""
    cluster: ClusterConfig = ClusterConfig()
    """Placement of `cluster/evaluate.py`: workers, and the CPUs and GPUs of each."""


class UnifiedRunConfig(RunConfig):
    """A run of the unified model."""

    train_type: Literal["all", "det", "seg", "cls", "sequential"] = "all"
    """All tasks, taught by teachers; or a teacher of one; or one task after another, as
    `retention` says, each by the stage of the teachers."""
    data: UnifiedDataConfig = UnifiedDataConfig()
    """Images and labels."""
    augmentation: UnifiedAugmentationConfig = UnifiedAugmentationConfig()
    """Random changes of training images."""
    model: UnifiedConfig = UnifiedConfig()
    """The network."""
    loss: UnifiedLossConfig = UnifiedLossConfig()
    """Losses, and what the teachers teach."""
    teachers: TeachersConfig = TeachersConfig()
    """Where the teachers are, or how they are made."""
    retention: RetentionConfig = RetentionConfig()
    """Learning tasks one after another."""
    checkpoint: CheckpointConfig = CheckpointConfig(metric="score")
    """Resumable state; `score` is the mean of map, miou and top1, of those that are validated: all
    that are trained, or of tasks learned one after another the one being learned. A teacher or
    phase whose task has no such metric watches its score."""
    evaluation: UnifiedEvaluationConfig = UnifiedEvaluationConfig()
    """Evaluation at the end."""

    @property
    def tasks(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks that are trained: wanted, and with data; while replaying, the earlier ones too."""
        if self.train_type == "sequential":
            return self.learned if self.retention.method == "replay" else self.validated
        return tuple(
            task
            for task in UNIFIED_TASKS
            if self.train_type in ("all", task) and task in self.data.tasks
        )

    @property
    def validated(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks that choose the best weights."""
        return self.retention.order[-1:] if self.train_type == "sequential" else self.tasks

    @property
    def learned(self) -> tuple[UnifiedTaskName, ...]:
        """Tasks that the model knows at the end and is evaluated on."""
        if self.train_type == "sequential":
            return tuple(task for task in UNIFIED_TASKS if task in self.retention.order)
        return self.tasks

    @property
    def taught(self) -> bool:
        """Whether teachers teach this run; one task alone has no others to learn from."""
        how = self.loss.distillation
        someone = how.teachers == "same_task" or len(self.tasks) > 1
        return self.train_type == "all" and how.weight > 0 and someone

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the network's parts."""
        return UNIFIED_PARTS

    @property
    def running_stages(self) -> dict[str, StageConfig]:
        """The stage of this run itself; the teachers it needs are runs of their own."""
        name = "joint" if self.train_type == "all" else "teachers"
        return {n: s for n, s in self.stages.items() if n == name and s.epochs}

    def require_teacher_batch(self) -> None:
        """Refuse a `teachers.batch_size` that workers cannot share, or that an epoch cannot fill.

        Raises:
            ValueError: with what would do.
        """
        size, samples = self.teachers.batch_size, self.training.samples_per_epoch
        self.cluster.require_shared("teachers.batch_size", size)
        if size > samples:
            raise ValueError(
                f"teachers.batch_size {size} must be at most training.samples_per_epoch {samples}"
            )

    @model_validator(mode="after")
    def _check_unified(self) -> UnifiedRunConfig:
        check_unified(self.model, self.loss)
        unknown = [name for name in self.stages if name not in STAGES]
        if unknown:
            raise ValueError(
                f"stages.{unknown[0]} is no stage of unified; stages are {', '.join(STAGES)}"
            )
        missing = [task for task in self.learned if task not in self.data.tasks]
        if missing:
            raise ValueError(
                f"train_type=sequential has no data of {missing[0]}; set data.{missing[0]}_root, "
                "or leave it out of retention.order"
            )
        if not self.tasks:
            raise ValueError(
                f"train_type={self.train_type} has no data; set data.{self.train_type}_root, or no "
                "root at all for the embedded scenes"
            )
        sequential = self.train_type == "sequential"
        needed = self.retention.order[:1] if sequential else self.tasks if self.taught else ()
        if any(self.teachers.path(task) is None for task in needed):
            self.require_teacher_batch()
        for name, stage in self.running_stages.items():
            if not set(UNIFIED_PARTS) - {"stem"} - stage.freeze.keys():
                raise ValueError(
                    f"stages.{name}.freeze leaves nothing to learn; leave a part out of it"
                )
        floor = self.weighting.floor if isinstance(self.weighting, LearnableWeighting) else 0.0
        if floor * len(self.tasks) >= 1:
            raise ValueError(
                f"weighting.floor must be below 1/{len(self.tasks)} for {len(self.tasks)} tasks, "
                f"got {floor:g}; lower it"
            )
        if not self.loss.distillation.inside_weights and self.weighting.kind in GRADIENT_KINDS:
            raise ValueError(
                f"weighting.kind={self.weighting.kind} combines gradients of whole tasks; it needs "
                "loss.distillation.inside_weights=true"
            )
        return self
