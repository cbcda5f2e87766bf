"""Processors, memory and the GPU."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from mtl.doctor.finding import Finding, Level

GIB = 1 << 30
DEMO_BYTES = int(3.8 * GIB)
"""All processes of a run of the preset `demo` together, measured on 2 cores without a GPU."""
OBJECT_STORE_BYTES = 512 << 20
"""Ray's shared memory in a cluster that a command starts itself (`cluster.job.connect`)."""


def gib(size: int) -> str:
    """A number of bytes for people."""
    return f"{size / GIB:.1f} GiB" if size >= GIB // 10 else f"{size / (1 << 20):.1f} MiB"


def processors() -> int:
    """CPU threads that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True)
class Processors:
    """CPU threads, against those that a run's workers reserve."""

    wanted: int = 1

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        have = processors()
        if have < self.wanted:
            told = (
                f"{have} threads for workers that reserve {self.wanted}, which take turns; lower "
                "cluster.workers or cluster.cpus_per_worker, or join a cluster that has them."
            )
            return [Finding("processors", Level.WARNING, told)]
        return [Finding("processors", Level.OK, f"{have} threads")]


@dataclass(frozen=True)
class Memory:
    """Memory that processes can still take."""

    wanted: int = DEMO_BYTES

    def findings(self) -> list[Finding]:
        """See `Check.findings`."""
        total, free = _memory()
        told = f"{gib(free)} of {gib(total)} are free"
        if free < self.wanted:
            told += (
                f", the smallest preset takes {gib(self.wanted)}; end other programs or use a "
                "larger machine."
            )
            return [Finding("memory", Level.WARNING, told)]
        return [Finding("memory", Level.OK, told)]


def _memory() -> tuple[int, int]:
    """Bytes in all and free, within the limit of a container."""
    page = os.sysconf("SC_PAGE_SIZE")
    total = page * os.sysconf("SC_PHYS_PAGES")
    free = total
    if (told := Path("/proc/meminfo")).exists():
        lines = (line.split() for line in told.read_text().splitlines())
        kilobytes = {words[0]: int(words[1]) for words in lines}
        free = 1024 * kilobytes.get("MemAvailable:", total // 1024)
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if limit.exists() and limit.read_text().strip().isdigit():
        total = min(total, int(limit.read_text()))
        free = min(free, total - int(used.read_text()))
    return total, max(0, free)


@dataclass(frozen=True)
class SharedMemory:
    """The file system in memory through which Ray's processes share arrays."""

    place: str = "/dev/shm"
    wanted: int = OBJECT_STORE_BYTES

    def findings(self) -> list[Finding]:
        """See `Check.findings`; systems that have none find nothing."""
        if not os.path.isdir(self.place):
            return []
        free = shutil.disk_usage(self.place).free
        told = f"{gib(free)} are free in {self.place}"
        if free < self.wanted:
            told += (
                f", Ray wants {gib(self.wanted)} and would use the slower disk; give a container "
                "--shm-size=2g."
            )
            return [Finding("shared memory", Level.WARNING, told)]
        return [Finding("shared memory", Level.OK, told)]


@dataclass(frozen=True)
class Gpu:
    """The GPUs that torch can use."""

    wanted_by: str | None = None
    """The key and value of a run that needs one; none: none is needed."""

    def findings(self) -> list[Finding]:
        """See `Check.findings`: one for each GPU, or one that there is none."""
        import torch

        if torch.cuda.is_available():
            return [_described(number) for number in range(torch.cuda.device_count())]
        if self.wanted_by:
            told = f"{self.wanted_by} needs a GPU, torch sees none; use a machine that has one."
            return [Finding("GPU", Level.ERROR, told)]
        if driver := _driver():
            told = (
                f"{driver} is there, but torch {torch.__version__} cannot use a GPU; install the "
                "torch wheel for this driver's CUDA, or start the container with --gpus all."
            )
            return [Finding("GPU", Level.WARNING, told)]
        return [Finding("GPU", Level.OK, "none; computes on the CPU")]


def _described(number: int) -> Finding:
    import torch

    about = torch.cuda.get_device_properties(number)
    try:
        torch.ones(1, device=f"cuda:{number}").sum().item()
    except RuntimeError as error:
        told = f"{about.name} cannot compute ({str(error).splitlines()[0]}); restart its driver."
        return Finding(f"GPU {number}", Level.ERROR, told)
    told = f"{about.name}, {gib(about.total_memory)}, CUDA {torch.version.cuda}"
    return Finding(f"GPU {number}", Level.OK, told)


def _driver() -> str | None:
    """Where the system shows NVIDIA's driver, none if it does not."""
    places = ("/proc/driver/nvidia/version", "/dev/nvidiactl")
    return next((place for place in places if os.path.exists(place)), None)
