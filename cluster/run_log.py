"""What a training process logs: records that know their run, rank and step.

Ray Train writes all records of a worker as JSON, one per line, into `logs/train/` of the session on
the worker's node, which the dashboard shows under Logs; `ray logs` finds them from anywhere.
"""

from __future__ import annotations

import logging

from cluster.progress import News, epoch_lines

_LOG = logging.getLogger(__name__)


class RunLog(logging.Filter):
    """Tells records their place, and logs what is told to the terminal.

    Args:
        run: name of the run.
        rank: of this process.
    """

    def __init__(self, run: str, rank: int) -> None:
        super().__init__()
        self._run, self._rank, self._step = run, rank, 0

    def begin(self) -> None:
        """From now on every record that this process writes knows its place."""
        for handler in logging.getLogger().handlers:
            handler.addFilter(self)

    def filter(self, record: logging.LogRecord) -> bool:
        """Give a record `run`, `rank` and `step`: the last that was told of or kept."""
        record.run, record.rank, record.step = self._run, self._rank, self._step
        return True

    def take(self, news: News) -> None:
        """Log messages and finished epochs; of steps, remember where the run is."""
        lines = news.get("lines", [])
        self._step = news.get("step", lines[-1]["step"] if lines else self._step)
        if "message" in news:
            _LOG.info(news["message"])
        for text in epoch_lines(lines, news.get("num_epochs", 0)):
            _LOG.info(text)
