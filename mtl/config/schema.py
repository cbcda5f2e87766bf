"""The config classes of every run and of trackers, gathered under one name.

Keys, defaults, ranges and a sentence for each stand in the files they come from: `run.py`,
`training.py` and `weighting.py` have what every run has, `tracker_run.py`, `trackers.py` and
`tracking_data.py` what a run of a tracker has besides; the unified model's are in `unified_run.py`,
`unified.py`, `unified_data.py` and `retention.py`. Defaults live there only: a preset lists what
differs from them. They are the published HIPTrack recipe (reference specification, sections 1 and
9 to 11) unless a sentence says otherwise; those of the keys only SimTrack has are the published
SimTrack.
"""

from __future__ import annotations

from mtl.config.base import Config, Ratio
from mtl.config.run import RunConfig
from mtl.config.tracker_run import EvaluateConfig, EvaluationConfig, TrackerRunConfig
from mtl.config.trackers import (
    PARTS,
    BackboneConfig,
    BoxHeadConfig,
    ClipBackboneConfig,
    ConditionHeadConfig,
    CropConfig,
    HIPTrackConfig,
    LossConfig,
    MemoryConfig,
    ModelConfig,
    PromptConfig,
    SimTrackConfig,
    TrackerConfig,
)
from mtl.config.tracking_data import AugmentationConfig, DataConfig, SyntheticConfig
from mtl.config.training import (
    CheckpointConfig,
    ClusterConfig,
    CosineSchedule,
    DiagnosticsConfig,
    FrozenPart,
    OptimizerConfig,
    StageConfig,
    StepSchedule,
    TrainingConfig,
)
from mtl.config.weighting import (
    CAGradWeighting,
    DWAWeighting,
    FAMOWeighting,
    FixedWeighting,
    LearnableWeighting,
    NashMTLWeighting,
    PCGradWeighting,
    RLWWeighting,
    UncertaintyWeighting,
    Weighting,
)

__all__ = [
    "PARTS",
    "AugmentationConfig",
    "BackboneConfig",
    "BoxHeadConfig",
    "CAGradWeighting",
    "CheckpointConfig",
    "ClipBackboneConfig",
    "ClusterConfig",
    "ConditionHeadConfig",
    "Config",
    "CosineSchedule",
    "CropConfig",
    "DWAWeighting",
    "DataConfig",
    "DiagnosticsConfig",
    "EvaluateConfig",
    "EvaluationConfig",
    "FAMOWeighting",
    "FixedWeighting",
    "FrozenPart",
    "HIPTrackConfig",
    "LearnableWeighting",
    "LossConfig",
    "MemoryConfig",
    "ModelConfig",
    "NashMTLWeighting",
    "OptimizerConfig",
    "PCGradWeighting",
    "PromptConfig",
    "RLWWeighting",
    "Ratio",
    "RunConfig",
    "SimTrackConfig",
    "StageConfig",
    "StepSchedule",
    "SyntheticConfig",
    "TrackerConfig",
    "TrackerRunConfig",
    "TrainingConfig",
    "UncertaintyWeighting",
    "Weighting",
]
