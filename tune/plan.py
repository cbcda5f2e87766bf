"""Where the trials of a search go on this cluster and this disk."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import ray
from rich.console import Console

from cluster.nodes import node_resources
from cluster.preflight import check_resources
from mtl.config.run import RunConfig
from mtl.families import Indices
from mtl.families.footprint import disk_need
from tune.config import SearchConfig
from tune.footprint import batch_bytes, index_bytes
from tune.placement import Placement, check_disk, check_object_store, place_trials
from tune.space import Space


def place(
    search: SearchConfig,
    base: RunConfig,
    indices: Indices,
    storage: Path,
    left: int,
    console: Console,
) -> Placement:
    """Place a search's trials, and tell how; nothing has been started or written yet.

    Args:
        search: whose trials they are.
        base: the run that they vary, its GPUs decided.
        indices: of its data.
        storage: folder of the search folders.
        left: trials and runs with other seeds that are still to be trained.
        console: takes the arithmetic.

    Raises:
        ResourceError: the cluster, its object store or the disk is too small; gives the arithmetic.
    """
    placement = place_trials(
        node_resources(), base.cluster, search.concurrent_trials, search.trials
    )
    existing = next(path for path in (storage, *storage.parents) if path.exists())
    one = disk_need(base)
    training = one.training * min(placement.concurrent, left)
    need = replace(one, training=training, runs=one.runs * left)
    disk = check_disk(shutil.disk_usage(existing).free, need)
    have = ray.cluster_resources().get("object_store_memory", 0.0) - index_bytes(indices)
    store = check_object_store(
        have,
        batch_bytes(base, indices),
        base.cluster.prefetch_batches,
        placement.concurrent * placement.workers,
    )
    for line in (placement.arithmetic, disk, store if base.cluster.decode_in_tasks else ""):
        if line:
            console.print(line, style="dim", markup=False)
    return placement


def check_one_fits(base: RunConfig) -> None:
    """Refuse a cluster that has no place for a single trial, whoever uses it now.

    Raises:
        ResourceError: with the arithmetic and what to lower.
    """
    check_resources(base)
    place_trials(node_resources(), base.cluster, None, 1)


def reads_own_data(space: Space) -> bool:
    """Whether trials differ in the data they read, so that each must look for itself."""
    paths = [path for parameter in space.parameters.values() for path in parameter.paths]
    return any(path.split(".")[0] in ("data", "train_type") for path in paths)
