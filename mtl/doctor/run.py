"""What a machine finds when it looks at a whole run, as the command that starts it would."""

from __future__ import annotations

from mtl.config.run import RunConfig
from mtl.doctor.disk import DiskSpace
from mtl.doctor.finding import Check, Finding, Level, examine
from mtl.doctor.machine import Gpu, Memory, Processors, SharedMemory
from mtl.doctor.packages import Packages
from mtl.doctor.storage import WritableStorage
from mtl.doctor.weights import weight_findings
from mtl.errors import MtlError
from mtl.families import Indices, family_of
from mtl.families.footprint import DiskNeed, disk_need


def machine_findings(config: RunConfig | None = None) -> list[Finding]:
    """What is found of the machine, against what a run asks of it if one is given."""
    cluster = None if config is None else config.cluster
    wanted = cluster.fewest * cluster.cpus_per_worker if cluster else 1
    checks: list[Check] = [
        Packages(),
        Processors(wanted),
        Memory(),
        SharedMemory(),
        Gpu(None if config is None else _gpu_key(config)),
    ]
    return examine(checks)


def run_findings(config: RunConfig) -> list[Finding]:
    """What is found of a run's storage, weights, data and disk; reads every split's index."""
    found = WritableStorage(config.storage).findings() + weight_findings(config)
    try:
        prepared = family_of(config).prepared()
        indices = family_of(prepared).indices()
    except MtlError as error:
        return [*found, Finding("data", Level.ERROR, str(error))]
    return [*found, *_data(indices), *disk_space(prepared, disk_need(prepared))]


def disk_space(config: RunConfig, need: DiskNeed) -> list[Finding]:
    """Whether the checkpoints and weights of a run fit the disk of its storage."""
    remedy = "lower checkpoint.keep, make room, or set storage= to another disk"
    return DiskSpace(config.storage, need.needed, need.arithmetic, remedy).findings()


def _data(indices: Indices) -> list[Finding]:
    splits = indices.named()
    found = [Finding("data", Level.OK, f"{', '.join(splits)} can be read")]
    for split, index in splits.items():
        for reason, count in index.skipped.items():
            told = f"{count} left out of {split}: {reason}; correct them, or train without."
            found.append(Finding("data", Level.WARNING, told))
    return found


def _gpu_key(config: RunConfig) -> str | None:
    if config.cluster.gpus_per_worker:
        return f"cluster.gpus_per_worker={config.cluster.gpus_per_worker:g}"
    if config.training.precision == "fp16":
        return "training.precision=fp16"
    return None
