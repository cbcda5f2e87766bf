"""Images spread over Ray: actors that open a model when they are asked for it, a block a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import ray
import torch

from cluster.pool import Work, spread
from mtl.config.schema import ClusterConfig
from mtl.cpu import set_up_cpu
from mtl.data.unified.build import local_unified_index
from mtl.families.unified_answering import Answering, Answers
from mtl.families.unified_evaluation.plan import Ask, Item, Plan
from mtl.families.unified_evaluation.run import opened


@ray.remote
class ImageAnswerer:
    """Answers blocks of images with the models of a plan, the last one kept open."""

    def __init__(self, plan: Plan, num_threads: int) -> None:
        set_up_cpu(num_threads)
        self._plan = plan
        self._device = torch.device("cuda" if ray.get_gpu_ids() else "cpu")
        self._index = local_unified_index(plan.data, plan.index)
        self._ready: tuple[int, Answering] | None = None

    def ready(self) -> None:
        """Returns once the actor has its place, its models and its data."""

    def answer(self, item: Item) -> tuple[Item, Answers]:
        """Answer a block."""
        if self._ready is None or self._ready[0] != item.entrant:
            self._ready = item.entrant, opened(self._plan, item.entrant, self._index, self._device)
        return item, self._ready[1].answer(item.block)


def on_cluster(cluster: ClusterConfig, tell: Callable[[str], None]) -> Ask:
    """Asks on `cluster.workers` actors of the cluster that Ray is connected to.

    Args:
        cluster: how many workers with what, and how many of them may be lost.
        tell: takes a sentence for the person at the terminal.
    """

    def ask(plan: Plan, items: list[Item]) -> Iterator[tuple[Item, Answers]]:
        if not items:
            return
        work = Work[Item](
            actor=ImageAnswerer,
            arguments=(ray.put(plan), cluster.cpus_per_worker),
            call=lambda actor, item: actor.answer.remote(item),
            unit="block",
            describe=lambda item: (
                f"of {item.block.task} images {item.block.first + 1} to {item.block.last}"
            ),
        )
        yield from spread(cluster, tell, work, items)

    return ask
