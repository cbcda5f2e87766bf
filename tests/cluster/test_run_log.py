"""Log records of a training process say where they come from."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from cluster.run_log import RunLog

LINE = {"epoch": 2, "stage": "full", "split": "val", "step": 30, "loss/total": 1.5, "iou": 0.25}


class Written(logging.Handler):
    """Keeps (run, rank, step, message) of what reaches it."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[tuple[object, ...]] = []

    def emit(self, record: logging.LogRecord) -> None:
        place = (getattr(record, name) for name in ("run", "rank", "step"))
        self.records.append((*place, record.getMessage()))


@pytest.fixture
def written() -> Iterator[Written]:
    root, handler = logging.getLogger(), Written()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def test_every_record_knows_run_rank_and_step(written: Written) -> None:
    log = RunLog("harbour", 1)
    log.begin()
    log.take({"message": "started"})
    log.take({"step": 20, "losses": {"loss/total": 2.0}})
    logging.getLogger("mtl.data.index").warning("a file is gone")
    log.take({"lines": [LINE], "num_epochs": 3})
    assert written.records[:2] == [
        ("harbour", 1, 0, "started"), ("harbour", 1, 20, "a file is gone"),
    ]  # fmt: skip
    run, rank, step, text = written.records[2]
    assert (run, rank, step) == ("harbour", 1, 30)
    assert str(text).startswith("epoch  2/3 full   val    loss 1.500  iou 0.250")
    assert len(written.records) == 3
