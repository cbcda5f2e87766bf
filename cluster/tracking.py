"""Sequences spread over Ray: actors that open every tracker once, and take one sequence a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import ray
import torch

from cluster.pool import Work, spread
from mtl.benchmark.entrants import Entrant
from mtl.benchmark.plan import Execute, Item, Outcome, Plan
from mtl.benchmark.run import attempt
from mtl.config.schema import ClusterConfig, DataConfig
from mtl.cpu import set_up_cpu
from mtl.data.frame_index import Sequence
from mtl.data.synthetic import embedded_dataset
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
        set_up_cpu(num_threads)
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
        if not items:
            return
        root = str(embedded_dataset(plan.data.synthetic)) if plan.data.root is None else None
        shared = ray.put(Shared(plan.entrants, plan.data, root))
        work = Work[Item](
            actor=SequenceTracker,
            arguments=(shared, cluster.cpus_per_worker),
            call=lambda actor, item: actor.track.remote(item, plan.sequences[item.sequence]),
            unit="sequence",
            describe=lambda item: plan.sequences[item.sequence].name,
        )
        yield from spread(cluster, tell, work, items)

    return execute
