"""The most memory a work ever held, measured in a process of its own.

On a CPU that is the whole process, Python and libraries included; on a GPU what torch allocated.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import torch

from mtl.comparison.work import WORKS
from mtl.config.load import validate
from mtl.config.schema import TrackerRunConfig
from mtl.config.tracker_run import as_tracker
from mtl.cpu import set_up_cpu
from mtl.errors import ResourceError

CALLS = 2
"""The second training step is the first that has the optimiser's state from its start."""


def peak_memory(config: TrackerRunConfig, work: str, device: torch.device) -> int:
    """Bytes.

    Args:
        config: of the model.
        work: name in WORKS.
        device: where it runs.

    Raises:
        ResourceError: the process was killed or failed, mostly for lack of memory.
    """
    order = {"config": config.model_dump(mode="json"), "work": work, "device": device.type}
    done = subprocess.run(
        [sys.executable, "-m", "mtl.comparison.peak_memory", str(torch.get_num_threads())],
        input=json.dumps(order),
        capture_output=True,
        text=True,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
        raise ResourceError(
            f"measuring the memory of a {work} failed ({last}); try a smaller training.batch_size."
        )
    return int(done.stdout)


def _main() -> None:
    set_up_cpu(int(sys.argv[1]))
    order = json.load(sys.stdin)
    device = torch.device(order["device"])
    config = validate(order["config"], "the comparison's config")
    work = WORKS[order["work"]](as_tracker(config, "the comparison's config"), device)
    for _ in range(CALLS):
        work()
    print(_peak_bytes(device))  # noqa: T201 - the answer to the process that asked


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    # Not getrusage on Linux: there a child's peak begins with its parent's.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


if __name__ == "__main__":
    _main()
