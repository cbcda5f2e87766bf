"""What can be refused before a worker starts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import ray
import yaml

from cluster.capacity import (
    ROUNDING,
    Resources,
    amounts,
    nodes_in_words,
    of_worker,
    total,
    workers_that_fit,
)
from cluster.moved import moved
from cluster.nodes import check_nodes, check_shared_storage, node_resources
from mtl.config.load import load_text
from mtl.config.schema import ClusterConfig, EvaluateConfig, RunConfig
from mtl.config.unified_run import UnifiedEvaluateConfig
from mtl.doctor.disk import ScratchSpace
from mtl.doctor.finding import Check, errors
from mtl.doctor.packages import SameVersions, versions
from mtl.doctor.places import seen
from mtl.doctor.run import disk_space
from mtl.doctor.storage import WritableStorage
from mtl.errors import ConfigError, ResourceError, RunExistsError
from mtl.families.footprint import DiskNeed
from mtl.training.run_folder import RunFolder

FREE_TO_CHANGE = ("resume", "storage", "name", "cluster", "evaluation")
FREE_KEYS = (
    "checkpoint.every_steps", "checkpoint.keep", "training.log_every", "training.num_threads",
)  # fmt: skip

_KEYS = {"GPU": "cluster.gpus_per_worker", "CPU": "cluster.cpus_per_worker"}

_Placed = TypeVar("_Placed", RunConfig, EvaluateConfig, UnifiedEvaluateConfig)


def check_name(config: RunConfig, folder: RunFolder) -> None:
    """Refuse a name in use, or to go on with a run that does not exist or that was another one.

    Raises:
        RunExistsError: the name is in use and `resume=true` was not given.
        ConfigError: there is nothing to resume, or the config differs in what was learnt.
    """
    if not config.resume:
        if folder.exists():
            raise RunExistsError(
                f"run '{config.name}' exists in {folder.storage_path}; give resume=true to go on "
                "with it, or another name=."
            )
        return
    if not folder.exists():
        raise ConfigError(
            f"there is no run '{config.name}' in {folder.storage_path} to resume; "
            "check name= and storage=."
        )
    before = saved_config(folder)
    for key, old, new in differences(before, config):
        raise ConfigError(
            f"run '{config.name}' was started with {key}={old}, now it is {new}; resume it with "
            "the value it had, or start a new run under another name."
        )


def saved_config(folder: RunFolder, overrides: Sequence[str] = ()) -> RunConfig:
    """The config a run was started with, changed by `key=value` words.

    Of a run that was moved, paths below its storage are those of today.
    """
    text, origin = folder.read_text("config.yaml"), f"{folder.place}/config.yaml"
    before = load_text(text, origin).storage
    here = moved(yaml.safe_load(text), before, folder.storage)
    return load_text(yaml.safe_dump(here), origin, overrides)


def differences(old: RunConfig, new: RunConfig) -> list[tuple[str, object, object]]:
    """Keys that decide what is learnt and differ: (key, old value, new value)."""
    return [
        (key, a, b)
        for key, a, b in _walk("", old.model_dump(), new.model_dump())
        if key.split(".")[0] not in FREE_TO_CHANGE and key not in FREE_KEYS
    ]


def _walk(prefix: str, old: object, new: object) -> list[tuple[str, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        found = []
        for key in [*old, *(k for k in new if k not in old)]:
            found += _walk(f"{prefix}.{key}" if prefix else key, old.get(key), new.get(key))
        return found
    return [] if old == new else [(prefix, old, new)]


def with_gpus(config: _Placed) -> _Placed:
    """The config with `gpus_per_worker` decided: one if the cluster has any GPU, else none.

    Also where that is too few for all workers: what is then refused or waited for would otherwise
    be trained on CPUs, for days, without a word.
    """
    if config.cluster.gpus_per_worker is not None:
        return config
    gpus = 1.0 if total(node_resources(), "GPU") else 0.0
    cluster = config.cluster.model_copy(update={"gpus_per_worker": gpus})
    return config.model_copy(update={"cluster": cluster})


def check_workers(cluster: ClusterConfig, share: bool = False) -> None:
    """Refuse more workers than the cluster can place.

    Args:
        cluster: what is asked for, its GPUs decided.
        share: whether workers can share a GPU; those of a training cannot, NCCL refuses it.

    Raises:
        ResourceError: with the arithmetic and what to lower.
    """
    require_places(cluster, node_resources(), share)


def require_places(cluster: ClusterConfig, nodes: Sequence[Resources], share: bool = False) -> None:
    """Refuse more workers than these nodes hold.

    Args:
        cluster: as for `check_workers`.
        nodes: what each node has.
        share: as for `check_workers`.

    Raises:
        ResourceError: as `check_workers`.
    """
    count, each = cluster.fewest, of_worker(cluster)
    workers = "1 worker" if count == 1 else f"{count} workers"
    for resource, amount in each.items():
        have = total(nodes, resource)
        if amount * count > have + ROUNDING:
            raise ResourceError(
                f"{workers} with {amount:g} {resource} each need {amount * count:g}, "
                f"the cluster has {have:g}; {_remedy(resource, share)}."
            )
    fits = workers_that_fit(nodes, each)
    if fits < count:
        raise ResourceError(
            f"{workers} with {amounts(each, list(each))} each cannot be placed: each lies on one "
            f"node, and the nodes of the cluster ({nodes_in_words(nodes, list(each))}) hold "
            f"{fits}; lower cluster.workers or {' or '.join(_KEYS[name] for name in each)}."
        )


def _remedy(resource: str, share: bool) -> str:
    if resource != "GPU":
        return f"lower cluster.workers or {_KEYS[resource]}"
    shared = ", cluster.gpus_per_worker=0.5 (or less) to share one" if share else ""
    return f"lower cluster.workers, or set cluster.gpus_per_worker=0 to use CPUs{shared}"


def check_storage(storage: str) -> None:
    """Refuse a storage that this machine cannot write to.

    Raises:
        ConfigError: says why it cannot.
    """
    for finding in errors(WritableStorage(storage).findings()):
        raise ConfigError(finding.text)


def check_disk(config: RunConfig, need: DiskNeed) -> None:
    """Refuse a run that does not fit its storage; one that is resumed has its files already.

    Raises:
        ResourceError: gives the arithmetic.
    """
    for finding in [] if config.resume else errors(disk_space(config, need)):
        raise ResourceError(f"the run does not fit its storage: {finding.text}")


def check_run_on_nodes(config: RunConfig, need: DiskNeed) -> None:
    """Refuse nodes on which a worker of this run would fail.

    Args:
        config: of the run, with the storage that its workers write to.
        need: what it writes.

    Raises:
        ResourceError: names the nodes and what to do.
    """
    checks: list[Check] = [
        SameVersions(versions()),
        *seen(config),
        ScratchSpace(need.checkpoint_bytes),
    ]
    check_shared_storage(config.storage, checks)


def check_evaluation_on_nodes(config: EvaluateConfig | UnifiedEvaluateConfig) -> None:
    """Refuse nodes on which a worker of this evaluation would fail; the driver alone writes.

    Raises:
        ResourceError: names the nodes and what to do.
    """
    check_nodes([SameVersions(versions()), *seen(config)])


def check_resources(config: RunConfig) -> None:
    """Refuse what the cluster cannot place.

    Raises:
        ResourceError: with the arithmetic and what to lower.
    """
    cluster = config.cluster
    check_workers(cluster)
    have = ray.cluster_resources()
    if cluster.decode_in_tasks and cluster.most * cluster.cpus_per_worker >= have["CPU"]:
        raise ResourceError(
            f"cluster.decode_in_tasks=true needs a CPU beside the workers, but they reserve all "
            f"{have['CPU']:g}; lower cluster.workers or set it to false."
        )
    if config.training.precision == "fp16" and not cluster.gpus_per_worker:
        raise ConfigError("training.precision=fp16 needs a GPU; use bf16 or fp32 on CPUs.")
