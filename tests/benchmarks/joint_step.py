"""What a joint step of the unified model costs: `python tests/benchmarks/joint_step.py PRESET ...`.

The first row is `unified` as published: nine passes of the student and six of the teachers. Every
other row is a preset or one with keys of its own ("unified_plus 'stages.joint.freeze={stem: {}}'"),
and `unified` itself with three passes. All take their steps in turns in one
process on the same batches of noise, so what else the machine does hits all alike; what is compared
is the median of the ratios of a round.

A step is what the loop does: losses, distillation, backward pass, clipping, AdamW. Class counts are
those of the preset; teachers are of the student's network. `--keys` change every row.
"""

from __future__ import annotations

import argparse
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mtl.config.load import load
from mtl.config.unified import UNIFIED_TASKS
from mtl.config.unified_run import UnifiedRunConfig
from mtl.cpu import set_up_cpu
from mtl.data.unified.index import UnifiedIndex
from mtl.losses.weighting import LossGroups
from mtl.models.build import build_model
from mtl.models.weights.start import start_from
from mtl.tasks.task import Batch, Moment
from mtl.tasks.teachers import Teachers, joint_lessons
from mtl.tasks.unified import UnifiedTask
from mtl.training.optimizer import build_optimizer, clip_gradients

BOXES = 3
CPU = torch.device("cpu")
MOMENT = Moment(1, training=True)
THREE_PASSES = "loss.distillation.separate_passes=false"


class NoiseTask(UnifiedTask):
    """The task over no data."""

    def __init__(self, config: UnifiedRunConfig, device: torch.device = CPU) -> None:
        torch.manual_seed(0)
        lessons = None
        if config.taught:
            models = {task: build_model(config).to(device) for task in config.tasks}
            teachers = Teachers(models, dict.fromkeys(config.tasks, False))
            lessons = joint_lessons(teachers, config.tasks, config.loss)
        super().__init__(config, _Nameless(), None, lessons)

    def describe(self, batch: Batch) -> str:
        """No file's name."""
        return "noise"


class _Nameless(UnifiedIndex):
    """Sets whose classes nobody asks for."""

    @property
    def class_names(self) -> dict:  # type: ignore[type-arg]
        """No name."""
        return dict.fromkeys(UNIFIED_TASKS, ())


def noise(config: UnifiedRunConfig, size: int, batch_size: int) -> Batch:
    """A joint batch with images of one size, a few boxes and any classes."""
    rng = torch.Generator().manual_seed(1)
    model, batch = config.model, {"skipped": torch.zeros(batch_size, dtype=torch.int64)}

    def whole(high: int, *shape: int) -> torch.Tensor:
        return torch.randint(0, high, (batch_size, *shape), generator=rng)

    for task in config.tasks:
        batch[f"{task}_image"] = whole(256, size, size, 3).to(torch.uint8)
        batch[f"{task}_valid"] = torch.ones(batch_size, dtype=torch.bool)
        batch[f"{task}_index"] = torch.arange(batch_size)
    corners = torch.rand(batch_size, BOXES, 2, generator=rng) * size / 2
    sides = size / 8 + torch.rand(batch_size, BOXES, 2, generator=rng) * size / 4
    return batch | {
        "det_boxes_xywh": torch.cat([corners, sides], dim=2),
        "det_classes": whole(model.num_det_classes, BOXES),
        "seg_mask": whole(model.num_seg_classes, size, size).to(torch.uint8),
        "cls_label": whole(model.num_cls_classes),
    }


def step_of(config: UnifiedRunConfig, size: int, batch_size: int) -> Callable[[], None]:
    """One optimiser step of a config, to be called again and again."""
    task = NoiseTask(config)
    model = task.build_model()
    if config.model.init is not None:
        start_from(model, Path(config.model.init))
    (stage,) = config.running_stages.values()
    task.set_mode(model, stage)
    optimizer = build_optimizer(task.parameter_groups(model, stage), config.optimizer)
    groups = LossGroups(task.loss_groups, task.weights)
    factors = dict.fromkeys(groups.names, 1 / len(groups.names))
    batch = noise(config, size, batch_size)

    def step() -> None:
        values = task.losses(model, batch, MOMENT).values
        groups.total(values, factors).backward()
        clip_gradients(model, config.optimizer.max_grad_norm)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def seconds(step: Callable[[], None]) -> float:
    """CPU time of a step: on one thread, what other programs take does not count."""
    start = time.process_time()
    step()
    return time.process_time() - start


def rows_of(presets: Sequence[str], keys: Sequence[str]) -> dict[str, UnifiedRunConfig]:
    """What is compared, by its name, the published step first."""
    wanted = {
        "unified, nine passes": ("unified", []),
        "unified, three": ("unified", [THREE_PASSES]),
    }
    for row in presets:
        preset, *words = shlex.split(row)
        wanted[row] = (preset, words)
    rows = {}
    for name, (preset, words) in wanted.items():
        config = load(preset, [*words, *keys])
        assert isinstance(config, UnifiedRunConfig)
        rows[name] = config
    return rows


def main() -> None:
    """Print each row's median step and how many times faster it is than the published one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "presets", nargs="*", help="besides unified itself; with keys of a row's own, quoted"
    )
    parser.add_argument("--size", type=int, default=256, help="side of all images in pixels")
    parser.add_argument("--batch", type=int, default=2, help="images of each task")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--keys", nargs="*", default=[], help="key=value words for every row")
    options = parser.parse_args()
    set_up_cpu(1)
    rows = rows_of(options.presets, options.keys)
    steps = {name: step_of(row, options.size, options.batch) for name, row in rows.items()}
    for step in steps.values():
        step()  # warms up
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(options.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step))
    first = next(iter(times.values()))
    for name, mine in times.items():
        ratios = [a / b for a, b in zip(first, mine, strict=True)]
        print(
            f"{name}: {statistics.median(mine):.3f} s of CPU a step, "
            f"{statistics.median(ratios):.2f} times as fast as the first "
            f"({min(ratios):.2f} to {max(ratios):.2f} of {len(ratios)} rounds)",
            flush=True,
        )


if __name__ == "__main__":
    main()
