"""A record of which samples every step was trained on, whatever happened in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtl.tasks.task import Batch
from mtl.training.loop import Batches

HEADER = "step,sample"
"""First line of a record; steps count from 0, a line for each sample in its order."""


class RecordedBatches:
    """Batches that are written down when training takes them.

    Args:
        batches: of this process.
        accumulate: micro-batches of a step.
        file: CSV that is appended to; lines of earlier attempts stay.
    """

    def __init__(self, batches: Batches, accumulate: int, file: Path) -> None:
        self._batches, self._accumulate, self._file = batches, accumulate, file

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """See `mtl.training.loop.Batches`."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as record:
            if record.tell() == 0:
                record.write(HEADER + "\n")
            for number, batch in enumerate(self._batches.training(first_step, last_step)):
                step = first_step + number // self._accumulate
                record.writelines(f"{step},{sample}\n" for sample in batch["sample"].tolist())
                record.flush()
                yield batch

    def validation(self) -> Iterator[Batch]:
        """See `mtl.training.loop.Batches`; not recorded."""
        return self._batches.validation()
