"""Actors at work: each asks for its next item by finishing the one before.

Which actor does an item changes nothing, so a lost one's item is given to another. What was done
comes back to the driver, which alone writes, so workers need no common storage.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

import ray

from cluster.failures import is_machine_fault
from cluster.room import missing_room
from cluster.settings import worker_environment
from mtl.config.schema import ClusterConfig
from mtl.errors import MtlError, ResourceError

Item = TypeVar("Item")

WAIT_S = 20.0
"""So long nobody may work before somebody wants to know why."""
LOOK_S = 5.0
"""Seconds between two looks whether there is room, from then on."""


class Work(NamedTuple, Generic[Item]):
    """What a pool needs to know of the work it spreads."""

    actor: Any
    """Class of the actors, remote; they have a method `ready`, which takes nothing."""
    arguments: tuple[Any, ...]
    """Of its constructor."""
    call: Callable[[Any, Item], Any]
    """Has an actor do an item; returns the reference of what comes of it, which is never none."""
    unit: str
    """What an item is, in a word."""
    describe: Callable[[Item], str]
    """Which one it is, for people."""


def spread(
    cluster: ClusterConfig, tell: Callable[[str], None], work: Work[Item], items: Sequence[Item]
) -> Iterator[Any]:
    """Do all items on `cluster.workers` actors of the cluster that Ray is connected to.

    Args:
        cluster: how many workers with what, and how many of them may be lost.
        tell: takes a sentence for the person at the terminal.
        work: what there is to do.
        items: in the order in which they are handed out.

    Yields:
        What came of them, in the order in which they are done.

    Raises:
        ResourceError: if more workers were lost than `cluster.max_failures`.
        MtlError: an item's own, or if a worker's program failed.
    """
    if not items:
        return
    pool = _Pool(cluster, tell, work, items)
    try:
        yield from pool.outcomes()
    finally:
        pool.close()


class _Pool(Generic[Item]):
    def __init__(
        self,
        cluster: ClusterConfig,
        tell: Callable[[str], None],
        work: Work[Item],
        items: Sequence[Item],
    ) -> None:
        self._cluster, self._tell, self._work = cluster, tell, work
        self._waiting = deque(items)
        self._actors: list[Any] = []
        self._busy: dict[Any, tuple[Any, Item | None]] = {}
        """Reference of a call -> its actor, and its item; none while the actor starts."""
        self._failures = 0
        for _ in range(min(cluster.most, len(items))):
            self._start()

    def outcomes(self) -> Iterator[Any]:
        while self._waiting or any(item is not None for _, item in self._busy.values()):
            call = self._next_done()
            actor, item = self._busy.pop(call)
            try:
                outcome = ray.get(call)
            except ray.exceptions.RayError as error:
                self._lost(error, item)
                continue
            if self._waiting:
                following = self._waiting.popleft()
                self._busy[self._work.call(actor, following)] = (actor, following)
            if outcome is not None:
                yield outcome

    def _next_done(self) -> Any:
        """Wait for the first call to end; say once if nobody works because there is no room."""
        wait_s: float | None = WAIT_S
        while True:
            working = any(item is not None for _, item in self._busy.values())
            timeout = None if working else wait_s
            done, _ = ray.wait(list(self._busy), num_returns=1, timeout=timeout)
            if done:
                return done[0]
            wait_s = LOOK_S
            one = self._cluster.model_copy(update={"workers": 1})  # one that starts does it all
            if lacking := missing_room(one, self._work.actor.__ray_metadata__.class_name):
                self._tell(lacking)
                wait_s = None

    def close(self) -> None:
        for actor in self._actors:
            ray.kill(actor)

    def _start(self) -> None:
        actor = self._work.actor.options(
            num_cpus=self._cluster.cpus_per_worker,
            num_gpus=self._cluster.gpus_per_worker or 0,
            runtime_env={"env_vars": worker_environment()},
        ).remote(*self._work.arguments)
        self._actors.append(actor)
        self._busy[actor.ready.remote()] = (actor, None)

    def _lost(self, error: ray.exceptions.RayError, item: Item | None) -> None:
        unit = self._work.unit
        if not is_machine_fault(error):
            cause = getattr(error, "cause", None) or error
            if isinstance(cause, MtlError):
                raise cause from None
            where = "" if item is None else f" on {unit} {self._work.describe(item)}"
            raise MtlError(
                f"a worker failed{where} ({type(cause).__name__}: {' '.join(str(cause).split())}); "
                "what was done until then is kept."
            ) from error
        self._failures += 1
        if self._failures > self._cluster.max_failures:
            raise ResourceError(
                f"a worker was lost ({type(error).__name__}), failure {self._failures} of at most "
                f"{self._cluster.max_failures} (cluster.max_failures); start the same command "
                "again to go on."
            ) from error
        self._tell(f"a worker was lost ({type(error).__name__}); another takes its {unit}.")
        if item is not None:
            self._waiting.appendleft(item)
        self._start()
