"""Sequences spread over Ray: actors that open every tracker once, and take one sequence a time.

Which actor tracks a sequence changes nothing, so a lost one's sequence is given to another. What
was tracked comes back to the driver, which alone writes, so workers need no common storage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ray
import torch

from cluster.failures import is_machine_fault
from cluster.settings import worker_environment
from mtl.benchmark.entrants import Entrant
from mtl.benchmark.plan import Execute, Item, Outcome, Plan
from mtl.benchmark.run import attempt
from mtl.config.schema import ClusterConfig, DataConfig
from mtl.data.frame_index import Sequence
from mtl.data.synthetic import embedded_dataset
from mtl.errors import MtlError, ResourceError
from mtl.evaluation.one_pass import OnlineTracker


class Shared(NamedTuple):
    """What every actor needs, in the object store once."""

    entrants: tuple[Entrant, ...]
    data: DataConfig
    embedded_root: str | None
    """Where the driver has the embedded sequences; none for data that all machines reach."""


@ray.remote
class SequenceTracker:
    """Tracks sequences with trackers that it opens when they are first needed."""

    def __init__(self, shared: Shared, num_threads: int) -> None:
        torch.set_num_threads(num_threads)
        self._shared = shared
        self._device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        self._trackers: dict[int, OnlineTracker] = {}

    def ready(self) -> None:
        """Returns once the actor has its place and its models."""

    def track(self, item: Item, sequence: Sequence) -> Outcome:
        """Track one sequence."""
        entrant = self._shared.entrants[item.entrant]
        if item.entrant not in self._trackers:
            self._trackers[item.entrant] = entrant.open(self._device)
        tracker = self._trackers[item.entrant]
        return attempt(tracker, entrant, item, self._here(sequence), self._shared.data.max_pixels)

    def _here(self, sequence: Sequence) -> Sequence:
        """The sequence on this machine: embedded ones lie in its own cache."""
        elsewhere = self._shared.embedded_root
        if elsewhere is None:
            return sequence
        here = str(embedded_dataset(self._shared.data.synthetic))
        uris = [here + uri.removeprefix(elsewhere) for uri in sequence.frame_uris]
        return sequence._replace(frame_uris=uris)


def on_cluster(cluster: ClusterConfig, tell: Callable[[str], None]) -> Execute:
    """Tracks items on `cluster.workers` actors of the cluster that Ray is connected to.

    Args:
        cluster: how many workers with what, and how many of them may be lost.
        tell: takes a sentence for the person at the terminal.
    """

    def execute(plan: Plan, items: list[Item]) -> Iterator[Outcome]:
        if items:
            pool = _Pool(cluster, tell, plan, items)
            try:
                yield from pool.outcomes()
            finally:
                pool.close()

    return execute


class _Pool:
    """Actors at work: each asks for its next sequence by finishing the one before."""

    def __init__(
        self, cluster: ClusterConfig, tell: Callable[[str], None], plan: Plan, items: list[Item]
    ) -> None:
        self._cluster = cluster
        self._tell = tell
        self._plan = plan
        self._waiting = deque(items)
        self._actors: list[Any] = []
        self._busy: dict[Any, tuple[Any, Item | None]] = {}
        """Reference of a call -> its actor, and its item; none while the actor starts."""
        self._failures = 0
        root = str(embedded_dataset(plan.data.synthetic)) if plan.data.root is None else None
        self._shared = ray.put(Shared(plan.entrants, plan.data, root))
        for _ in range(min(cluster.workers, len(items))):
            self._start()

    def outcomes(self) -> Iterator[Outcome]:
        """Outcomes as they come.

        Raises:
            ResourceError: if more workers were lost than `cluster.max_failures`.
            MtlError: if a worker's program failed.
        """
        while self._waiting or any(item is not None for _, item in self._busy.values()):
            (call,), _ = ray.wait(list(self._busy), num_returns=1)
            actor, item = self._busy.pop(call)
            try:
                outcome = ray.get(call)
            except ray.exceptions.RayError as error:
                self._lost(error, item)
                continue
            if self._waiting:
                following = self._waiting.popleft()
                sequence = self._plan.sequences[following.sequence]
                self._busy[actor.track.remote(following, sequence)] = (actor, following)
            if outcome is not None:
                yield outcome

    def close(self) -> None:
        """Let the actors go."""
        for actor in self._actors:
            ray.kill(actor)

    def _start(self) -> None:
        actor = SequenceTracker.options(  # type: ignore[attr-defined]
            num_cpus=self._cluster.cpus_per_worker,
            num_gpus=self._cluster.gpus_per_worker or 0,
            runtime_env={"env_vars": worker_environment()},
        ).remote(self._shared, self._cluster.cpus_per_worker)
        self._actors.append(actor)
        self._busy[actor.ready.remote()] = (actor, None)

    def _lost(self, error: ray.exceptions.RayError, item: Item | None) -> None:
        if not is_machine_fault(error):
            cause = getattr(error, "cause", None) or error
            where = f" on sequence {self._plan.sequences[item.sequence].name}" if item else ""
            raise MtlError(
                f"a worker failed{where} ({type(cause).__name__}: {' '.join(str(cause).split())}); "
                "what was tracked until then is kept."
            ) from error
        self._failures += 1
        if self._failures > self._cluster.max_failures:
            raise ResourceError(
                f"a worker was lost ({type(error).__name__}), failure {self._failures} of at most "
                f"{self._cluster.max_failures} (cluster.max_failures); start the same command "
                "again to go on."
            ) from error
        self._tell(f"a worker was lost ({type(error).__name__}); another takes its sequence.")
        if item is not None:
            self._waiting.appendleft(item)
        self._start()
