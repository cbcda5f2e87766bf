"""What an unusable file or record does: stop the run with a sentence, or be skipped and counted."""

from __future__ import annotations

import logging
from typing import Literal

from mtl.errors import DataError

_LOG = logging.getLogger(__name__)


class BadItems:
    """Tally of the items that were left out, by reason (`data.on_error`)."""

    def __init__(self, on_error: Literal["stop", "skip"]) -> None:
        self.on_error = on_error
        self.counts: dict[str, int] = {}

    def add(self, reason: str, sentence: str, count: int = 1) -> None:
        """Note an unusable item.

        Args:
            reason: short name under which items of the same kind are counted.
            sentence: where, what is wrong, and what to do, without the final stop.
            count: number of items the sentence speaks of.

        Raises:
            DataError: if bad items are to stop the run.
        """
        if self.on_error == "stop":
            raise DataError(f"{sentence}, or set data.on_error=skip to leave it out.")
        if reason not in self.counts:
            _LOG.warning("Left out (further ones are only counted): %s.", sentence)
        self.counts[reason] = self.counts.get(reason, 0) + count
