"""A record of which samples every step was trained on, whatever happened in between."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mtl.tasks.task import Batch
from mtl.training.run import Batches

HEADER = "step,micro_batch,samples"
"""First line of a record; both count from 0, samples are numbers with a space between them."""


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
        """See `mtl.training.run.Batches`."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as record:
            if record.tell() == 0:
                record.write(HEADER + "\n")
            for number, batch in enumerate(self._batches.training(first_step, last_step)):
                step, micro_batch = divmod(number, self._accumulate)
                samples = " ".join(str(sample) for sample in batch["sample"].tolist())
                record.write(f"{first_step + step},{micro_batch},{samples}\n")
                record.flush()
                yield batch

    def validation(self) -> Iterator[Batch]:
        """See `mtl.training.run.Batches`; not recorded."""
        return self._batches.validation()
