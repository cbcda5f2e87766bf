from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from mtl.training.recorded import RecordedBatches
from tests.training.test_loop import NumberedBatches, config_of

STEPS = 3


def test_a_record_has_every_attempt_and_the_batches_are_the_same(tmp_path: Path) -> None:
    config = config_of("training.accumulate=2")
    file = tmp_path / "samples" / "rank-0.csv"
    plain = NumberedBatches(config)
    for _ in range(2):  # the second time as after an interruption
        recorded = RecordedBatches(NumberedBatches(config), 2, file)
        for ours, theirs in zip(recorded.training(1, STEPS), plain.training(1, STEPS), strict=True):
            assert ours["sample"].tolist() == theirs["sample"].tolist()
    rows = [(int(row["step"]), int(row["sample"])) for row in csv.DictReader(file.open())]
    once = [(number // 8, number) for number in range(8, 24)]
    assert sorted(rows) == sorted(once * 2)


def test_what_training_does_not_take_is_not_recorded(tmp_path: Path) -> None:
    file = tmp_path / "rank-0.csv"
    stream = RecordedBatches(NumberedBatches(config_of()), 1, file).training(0, STEPS)
    next(stream)
    assert len(file.read_text().splitlines()) == 1 + 8
    assert np.unique([line.split(",")[0] for line in file.read_text().splitlines()[1:]]) == ["0"]
