"""Metrics that mean the same in all trials."""

from __future__ import annotations

import pytest

from mtl.config.load import load
from mtl.errors import ConfigError
from tune.yardstick import require_one_yardstick


def test_a_score_over_other_tasks_is_another_measure() -> None:
    runs = [load("unified_demo"), load("unified_demo", ["train_type=cls"])]
    with pytest.raises(ConfigError) as error:
        require_one_yardstick("score", "objective 'score'", runs)
    assert str(error.value) == (
        "objective 'score': 'score' is another measure with train_type=cls than with all, so it "
        "cannot compare trials; leave train_type out of space, or name a metric of one task (map, "
        "miou, top1)."
    )
    require_one_yardstick("top1", "objective 'top1'", runs)


def test_online_tracking_does_not_depend_on_how_clips_are_drawn() -> None:
    runs = [load("demo"), load("demo", ["model.search_frames=1"])]
    with pytest.raises(ConfigError, match=r"another measure with model\.search_frames=1"):
        require_one_yardstick("iou", "halving.metric", runs)
    require_one_yardstick("ao", "objective 'ao'", runs)
