from __future__ import annotations

import csv
from pathlib import Path

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
    rows = [tuple(row.values()) for row in csv.DictReader(file.open())]
    once = [
        ("1", "0", "8 9 10 11"), ("1", "1", "12 13 14 15"),
        ("2", "0", "16 17 18 19"), ("2", "1", "20 21 22 23"),
    ]  # fmt: skip
    assert rows == once * 2


def test_what_training_does_not_take_is_not_recorded(tmp_path: Path) -> None:
    file = tmp_path / "rank-0.csv"
    stream = RecordedBatches(NumberedBatches(config_of()), 1, file).training(0, STEPS)
    next(stream)
    assert file.read_text().splitlines()[1:] == ["0,0,0 1 2 3 4 5 6 7"]
