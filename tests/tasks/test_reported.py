"""What is known of a run's metrics before it starts, beside what is reported."""

from __future__ import annotations

import pytest
import torch

from mtl.config.load import load
from mtl.errors import ConfigError
from mtl.tasks.condition_scores import SCORES
from mtl.tasks.reported import (
    CONDITION_METRICS,
    epoch_metrics,
    is_better,
    require_watched,
    watched_metric,
)
from tests.training.unified_runs import config_of, trained

PLACE = {"epoch", "stage", "split", "step", "samples", "seconds"}
COUNTS = {"skipped", "empty_masks"}


@pytest.mark.parametrize("train_type", ["all", "det", "cls"])
def test_all_that_a_validation_reports_is_known_before(train_type: str) -> None:
    config = config_of(
        f"train_type={train_type}", "loss.distillation.weight=0", "stages.joint.epochs=1"
    )
    (line,) = [line for line in trained(config).history if line["split"] == "val"]
    assert line.keys() - PLACE - COUNTS == set(epoch_metrics(config))


def test_all_that_is_measured_of_a_condition_head_is_known_before() -> None:
    found = {
        "classes": SCORES["classes"]().metrics({"confusion": torch.ones(10, 10).double()}),
        "attributes": SCORES["attributes"]().metrics(
            {"attributes": torch.ones(9, 4).double(), "severity": torch.ones(2).double()}
        ),
    }
    for answers, metrics in found.items():
        losses = {name for name in CONDITION_METRICS[answers] if name.startswith("loss/")}
        assert metrics.keys() - {"confusion"} == set(CONDITION_METRICS[answers]) - losses


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["checkpoint.metric=IoU"], "reports 'IoU' after each epoch; it reports iou, loss/total,"),
        (["checkpoint.metric=map"], "no task of this hiptrack run reports 'map'"),
        (["checkpoint.metric=ao"], "reports 'ao' after each epoch"),
        (["mode=finetune_bbox", "checkpoint.metric=accuracy"], "reports 'accuracy'"),
    ],
)
def test_a_tracker_that_watches_what_it_never_reports_is_refused(
    words: list[str], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        require_watched(load("demo", words))
    assert str(caught.value).startswith("checkpoint.metric: ")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("word", ["iou", "loss/total", "accuracy", "accuracy/normal"])
def test_a_tracker_watches_what_it_reports(word: str) -> None:
    config = load("demo", [f"checkpoint.metric={word}", "training.val_samples=0"])
    require_watched(config)
    assert watched_metric(config) == word


def test_a_loss_is_better_when_smaller_and_a_score_when_larger() -> None:
    assert is_better({"loss/l1": 1.0}, "loss/l1", 2.0)
    assert is_better({"severity_mae": 0.1}, "severity_mae", 0.2)
    assert not is_better({"severity_mae": 0.2}, "severity_mae", 0.1)
    assert not is_better({"iou": 0.4}, "iou", 0.5)
    assert is_better({"iou": 0.4}, "iou", None)
    assert is_better({}, "iou", 0.5)
