"""A node that is about to be taken away: the run keeps the step under way and goes on.

Whoever knows it tells Ray (`ray drain-node --reason DRAIN_NODE_REASON_PREEMPTION`, KubeRay, some
autoscalers). Ray Train passes it on, lets the workers train until the deadline, and starts them
again elsewhere from the last checkpoint; those starts do not count as failures of the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import ray.train

from cluster.progress import News

LOOK_S = 2.0
"""Seconds between two looks; Ray asks its nodes every 5 s."""


class Leaving:
    """Whether nodes of this run are about to go, as all of its workers know it.

    Args:
        rank: of this process; the first decides when all look.
        post: takes news for the terminal.
    """

    def __init__(self, rank: int, post: Callable[[News], None]) -> None:
        self._rank, self._post = rank, post
        self._known: set[str] = set()
        self._next = time.monotonic() + LOOK_S

    def due(self) -> bool:
        """Whether it is time to look."""
        if self._rank or time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + LOOK_S
        return True

    def found(self) -> bool:
        """Whether there are nodes that were not known to go. All workers ask at once."""
        info = ray.train.get_preemption_info()
        new = set(info.preempted_node_ids) - self._known if info else set()
        self._known |= new
        if new and self._rank == 0:
            names = ", ".join(sorted(node[:8] for node in new))
            self._post({"message": f"node {names} is about to go; the state is kept now"})
        return bool(new)
