"""What a run of the unified model decides and refuses before it begins."""

from __future__ import annotations

import pytest

from mtl.config.load import load
from mtl.config.unified_run import UnifiedRunConfig
from mtl.errors import ConfigError


def config_of(*words: str) -> UnifiedRunConfig:
    config = load("unified", words)
    assert isinstance(config, UnifiedRunConfig)
    return config


def test_the_preset_has_the_published_schedule_and_weights() -> None:
    config = config_of()
    assert config.tasks == ("det", "seg", "cls")
    assert list(config.running_stages) == ["joint"]
    joint, teachers = config.stages["joint"], config.stages["teachers"]
    assert (joint.epochs, joint.learning_rate, joint.backbone_lr_ratio) == (200, 3e-4, 1.0)
    assert (teachers.epochs, teachers.learning_rate) == (100, 1e-4)
    assert joint.schedule.factor(0, 600, 60) == joint.schedule.factor(59, 600, 60) == 1.0
    assert joint.schedule.factor(10**6, 10**6, 60) == pytest.approx(0.01)
    weighting = config.weighting
    assert weighting.kind == "learnable"
    assert (weighting.start, weighting.learning_rate, weighting.floor) == (1.0, None, 0.0)
    assert weighting.weight_decay == config.optimizer.weight_decay == 1e-4
    assert config.optimizer.max_grad_norm is None
    assert config.taught


@pytest.mark.parametrize(
    ("words", "tasks", "taught", "stage"),
    [
        (["train_type=seg"], ("seg",), False, "teachers"),
        (["loss.distillation.weight=0"], ("det", "seg", "cls"), False, "joint"),
        (["data.det_root=D", "data.cls_root=C"], ("det", "cls"), True, "joint"),
        (["data.det_root=D"], ("det",), False, "joint"),
        (
            ["data.det_root=D", "loss.distillation.teachers=same_task"],
            ("det",), True, "joint",
        ),
    ],
)  # fmt: skip
def test_tasks_are_those_wanted_that_have_data(
    words: list[str], tasks: tuple[str, ...], taught: bool, stage: str
) -> None:
    config = config_of(*words)
    assert config.tasks == tasks
    assert config.taught is taught
    assert list(config.running_stages) == [stage]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train_type=seg", "data.det_root=D"], "train_type=seg has no data; set data.seg_root"),
        (["train_type=box"], "'train_type' in the command line"),
        (["model.initial_confidence=0"], "'model.initial_confidence' in the command line"),
        (["model.initial_confidence=1"], "less than 1"),
        (["stages.full={epochs: 1}"], "stages.full is no stage of unified; stages are teachers"),
        (["stages.joint.epochs=0"], "in which something learns"),
        (["stages.joint.freeze={neck: {}}"], "'neck' is no part of unified; parts are backbone"),
        (["weighting={kind: pcgrad}", "loss.distillation.inside_weights=false"], "whole tasks"),
        (["teachers.batch_size=6", "cluster.workers=4"], "a multiple of cluster.workers 4"),
        (
            ["teachers.batch_size=8", "training.batch_size=12", "cluster.workers=[1,4]"],
            "=12 would do",
        ),
        (["teachers.batch_size=512"], "at most training.samples_per_epoch 240"),
        (["weighting.floor=0.5"], "less than 0.5"),
        (
            ["weighting={kind: learnable, floor: 0.4}"],
            "weighting.floor must be below 1/3 for 3 tasks, got 0.4; lower it",
        ),
        (
            [
                "train_type=sequential",
                "retention.method=replay",
                "weighting={kind: learnable, floor: 0.35}",
            ],
            "weighting.floor must be below 1/3 for 3 tasks, got 0.35",
        ),
        (
            ["stages.joint.freeze={backbone: {}, up: {}, necks: {}, attention: {}, head: {}}"],
            "stages.joint.freeze leaves nothing to learn; leave a part out of it",
        ),
        (["teachers.detection=D"], "unknown key"),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_sentence(
    words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        config_of(*words)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
