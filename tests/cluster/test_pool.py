from __future__ import annotations

from typing import Any

import pytest
import ray

from cluster.pool import Work, spread
from mtl.config.training import ClusterConfig

pytestmark = [pytest.mark.ray, pytest.mark.timeout(150)]


@ray.remote(num_cpus=8)
class Holder:
    def ready(self) -> None:
        pass


@ray.remote
class Doubler:
    def ready(self) -> None:
        pass

    def double(self, item: int) -> int:
        return 2 * item


def test_a_pool_without_room_says_what_is_missing_and_goes_on_when_there_is(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.pool.WAIT_S", 1.0)
    monkeypatch.setattr("cluster.pool.LOOK_S", 0.5)
    holder: Any = Holder.remote()  # type: ignore[attr-defined]
    ray.get(holder.ready.remote())
    told: list[str] = []

    def tell(sentence: str) -> None:
        told.append(sentence)
        ray.kill(holder)  # its CPUs are free again

    work = Work[int](
        Doubler, (), lambda actor, item: actor.double.remote(item), "number", lambda item: f"{item}"
    )
    done = spread(ClusterConfig(workers=2, cpus_per_worker=3), tell, work, [1, 2, 3])
    assert sorted(done) == [2, 4, 6]
    assert told == ["still waiting for 1 worker with 3 CPU each to start; 0 of 8 CPU are free."]
