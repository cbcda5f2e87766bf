"""Ray Tune runs the trials; what is tried, and who stops, is decided elsewhere.

Tune's own files of a search are scratch: the journal of the study is what a search goes on from.
"""

from __future__ import annotations

import contextlib
import io
import logging
import signal
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol, cast

from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from mtl.config.run import RunConfig
from mtl.families import Indices
from tune.placement import Placement
from tune.trial import FAILURE, WAITS, train_trial
from tune.waiting import Waiting


class Source(Protocol):
    """Where trials come from, and what becomes of them."""

    def begin(self) -> tuple[int, RunConfig] | None:
        """The next trial's number and run; none: there are no more."""

    def told(self, number: int, epoch: int, metrics: dict[str, Any]) -> bool:
        """Takes a validation; returns whether the trial stops here."""

    def stopped(self, number: int) -> None:
        """A trial was stopped at a rung."""

    def failed(self, number: int, reason: str) -> None:
        """A trial cannot be trained."""

    def finished(self, number: int) -> None:
        """A trial was trained to its end."""


class _Searcher(Searcher):
    """Hands a source's trials to Tune."""

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source
        self.numbers: dict[str, int] = {}
        self.stopping: set[int] = set()

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """The next trial."""
        begun = self._source.begin()
        if begun is None:
            return cast(Any, Searcher.FINISHED)  # a text, whatever the base class declares
        number, run = begun
        self.numbers[trial_id] = number
        return {"run": run.model_dump_json()}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Tell the source how a trial ended."""
        number = self.numbers[trial_id]
        if error:
            self._source.failed(
                number, "its process or the storage was lost more often than cluster.max_failures"
            )
        elif result and FAILURE in result:
            self._source.failed(number, str(result[FAILURE]))
        elif number in self.stopping:
            self._source.stopped(number)
        else:
            self._source.finished(number)

    def __getstate__(self) -> dict[str, Any]:
        return {"numbers": self.numbers}  # Tune pickles it for a resumption that never comes

    def save(self, checkpoint_path: str) -> None:
        """Nothing: the journal is what is kept."""

    def restore(self, checkpoint_path: str) -> None:
        """Nothing: the journal is what a search goes on from."""


class _Scheduler(FIFOScheduler):
    """Passes results on and stops the trials that the source wants stopped."""

    def __init__(self, source: Source, searcher: _Searcher, waiting: Waiting) -> None:
        super().__init__()
        self._source, self._searcher, self._waiting = source, searcher, waiting

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        """Whether the trial goes on."""
        number = self._searcher.numbers[trial.trial_id]
        if WAITS in result:
            self._waiting.say(str(result[WAITS]))
        if FAILURE in result or "epoch" not in result:
            return TrialScheduler.CONTINUE
        if self._source.told(number, int(result["epoch"]), result):
            self._searcher.stopping.add(number)
            return TrialScheduler.STOP
        return TrialScheduler.CONTINUE


def run_trials(
    source: Source, count: int, indices: Indices | None, place: Placement, waiting: Waiting
) -> None:
    """Run a source's trials to their end, as many at a time as there is place for.

    Args:
        source: of the trials.
        count: at most this many are begun.
        indices: of the data they share; none: each reads its own.
        place: what a trial gets.
        waiting: says what trials that do not start are waiting for.
    """
    logging.getLogger("ray.tune").setLevel(logging.ERROR)
    searcher = _Searcher(source)
    resources = {"cpu": place.trial_cpus, "gpu": place.trial_gpus}
    trainable = tune.with_resources(
        tune.with_parameters(train_trial, indices=indices),
        {name: amount for name, amount in resources.items() if amount},
    )
    with tempfile.TemporaryDirectory(prefix="mtl-tune-") as scratch:
        tuner = tune.Tuner(
            trainable,
            tune_config=tune.TuneConfig(
                num_samples=count,
                max_concurrent_trials=place.concurrent,
                search_alg=searcher,
                scheduler=_Scheduler(source, searcher, waiting),
                reuse_actors=place.workers == 1,
                trial_dirname_creator=lambda trial: str(trial.trial_id),
            ),
            run_config=tune.RunConfig(
                name="trials",
                storage_path=str(Path(scratch)),
                verbose=0,
                callbacks=[waiting],
                failure_config=tune.FailureConfig(max_failures=place.max_failures),
            ),
        )
        with waiting, _ctrl_c_as_before(), contextlib.redirect_stdout(io.StringIO()):
            tuner.fit()


@contextlib.contextmanager
def _ctrl_c_as_before() -> Iterator[None]:
    """Tune takes SIGINT for itself and keeps it, and the next Ctrl-C would not be heard."""
    before = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, before)
