from __future__ import annotations

import pytest

from mtl.config.training import ClusterConfig
from mtl.errors import ResourceError
from mtl.families.footprint import DiskNeed
from tune.placement import GIB, check_disk, check_object_store, place_trials


def test_one_cpu_is_left_for_ray_data() -> None:
    placement = place_trials([{"CPU": 4}], ClusterConfig(gpus_per_worker=0), None, 20)
    assert placement.concurrent == 3
    assert placement.trial_cpus == 1


def test_a_search_never_has_more_places_than_trials() -> None:
    assert place_trials([{"CPU": 64}], ClusterConfig(), None, 5).concurrent == 5


def test_shares_of_a_gpu_are_counted_on_each_node() -> None:
    nodes = [{"CPU": 16, "GPU": 1}, {"CPU": 16, "GPU": 1}]
    placement = place_trials(nodes, ClusterConfig(gpus_per_worker=0.3), None, 20)
    assert placement.concurrent == 6
    assert placement.trial_gpus == 0.3


def test_several_workers_reserve_for_themselves() -> None:
    placement = place_trials([{"CPU": 9}], ClusterConfig(workers=4, gpus_per_worker=0), None, 20)
    assert placement.concurrent == 2
    assert placement.trial_cpus < 0.1


@pytest.mark.parametrize(
    ("nodes", "cluster", "wanted", "message"),
    [
        ([{"CPU": 1}], {}, None, "no trial can be placed: a trial needs 1 x 1 CPU; 1 node with 1"),
        ([{"CPU": 3}], {"workers": 3}, None, "hold 2 workers; lower run.cluster.workers"),
        ([{"CPU": 8}], {"gpus_per_worker": 0.5}, None, "0.5 GPU; 1 node with 8 CPU and 0 GPU"),
        ([{"CPU": 4}], {}, 8, "concurrent_trials=8 cannot be placed"),
    ],
)
def test_what_has_no_place_is_refused_with_the_arithmetic(
    nodes: list[dict[str, float]], cluster: dict[str, float], wanted: int | None, message: str
) -> None:
    with pytest.raises(ResourceError) as error:
        place_trials(nodes, ClusterConfig(**cluster), wanted, 20)
    assert message in str(error.value)


def test_a_disk_that_is_too_small_is_refused_with_the_arithmetic() -> None:
    assert "are free" in check_disk(10 * GIB, DiskNeed(1 << 20, 1, 2, 10))
    with pytest.raises(ResourceError, match=r"2 x 3 checkpoints of 3\.000 GiB"):
        check_disk(10 * GIB, DiskNeed(GIB // 4, 2, 2, 10))


def test_batches_that_the_object_store_cannot_hold_are_refused() -> None:
    assert check_object_store(1 * GIB, 0, 4, 8)
    with pytest.raises(ResourceError, match="4 workers x 6 micro-batches"):
        check_object_store(1 * GIB, GIB // 8, 4, 4)
