"""Training on a GPU says what training on the CPU says. Skipped where there is none."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest
import torch

from mtl.config.load import load
from mtl.config.schema import RunConfig
from mtl.data.collate import collate
from mtl.families import family_of
from mtl.tasks.task import Batch
from mtl.training.loop import train
from mtl.training.numbers import training_numbers
from mtl.training.run import Run
from mtl.training.seeding import seed_weights
from mtl.training.state import TrainingState

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")

PRESETS = {
    "hiptrack_small": [],
    "simtrack_small": [],
    "unified_demo": ["train_type=det"],
}
WITHOUT_DROPOUT = {
    "hiptrack_small": ["head.dropout=0"],
    "simtrack_small": ["head.dropout=0"],
    "unified_demo": ["model.backbone.drop_path=0"],
}
SIZE = 4
STEPS = 6
CPU, GPU = torch.device("cpu"), torch.device("cuda")


class Same:
    """The same samples for every device."""

    def __init__(self, config: RunConfig, index: object, device: torch.device) -> None:
        self._sampler = family_of(config).sampler(index, training=True)
        self._device = device

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        for row in training_numbers(first_step, last_step, SIZE, 1, 0, 1):
            arrays = collate([self._sampler.sample(int(number)) for number in row])
            yield {name: torch.from_numpy(x).to(self._device) for name, x in arrays.items()}

    def validation(self) -> Iterator[Batch]:
        return iter(())


class Kept:
    """States and losses."""

    def __init__(self) -> None:
        self.states: list[TrainingState] = []

    def progress(self, news: dict[str, object]) -> None:
        self.news = news

    def checkpoint(self, state: TrainingState, improved: bool) -> None:
        self.states.append(copy.deepcopy(state))


def config_of(preset: str, *more: str) -> RunConfig:
    every = [
        f"training.batch_size={SIZE}", "training.accumulate=1", "training.val_samples=0",
        f"training.samples_per_epoch={SIZE * STEPS}", "training.log_every=1",
    ]  # fmt: skip
    config = load(preset, [*PRESETS[preset], *every, *more])
    stage = list(config.running_stages)[-1]
    stages = {
        name: one.model_copy(update={"epochs": int(name == stage)})
        for name, one in config.stages.items()
    }
    return config.model_copy(update={"stages": stages})


def trained(config: RunConfig, device: torch.device, state: TrainingState | None = None) -> Kept:
    family = family_of(config)
    indices = family.indices()
    task = family.task(indices, device)
    seed_weights(1)
    model = task.build_model().to(device)
    kept = Kept()
    batches = Same(config, indices.train, device)
    train(Run(config, task, model, device, batches, kept), state or TrainingState())
    return kept


@pytest.mark.parametrize("preset", PRESETS)
def test_gpu_and_cpu_lose_alike(preset: str) -> None:
    """In the first step: later ones have dropped other units, each device draws its own."""
    one = [f"training.samples_per_epoch={SIZE}", *WITHOUT_DROPOUT.get(preset, ())]
    cpu, gpu = (
        trained(config_of(preset, *one), device).states[-1].history[0] for device in (CPU, GPU)
    )
    for name in (name for name in cpu if name.startswith("loss/")):
        assert gpu[name] == pytest.approx(cpu[name], rel=1e-2), name  # the GPU multiplies in TF32


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("preset", PRESETS)
def test_half_precision_learns(preset: str, precision: str) -> None:
    kept = trained(config_of(preset, f"training.precision={precision}"), GPU)
    full = trained(config_of(preset), GPU)
    mine, theirs = (one.states[-1].history[0]["loss/total"] for one in (kept, full))
    assert mine == pytest.approx(theirs, rel=0.1)
    assert kept.news["gpu_memory_bytes"] > 0


@pytest.mark.parametrize("preset", PRESETS)
def test_a_run_goes_on_where_it_was_interrupted(preset: str) -> None:
    config = config_of(preset, f"checkpoint.every_steps={STEPS // 2}")
    whole = trained(config, GPU)
    middle = next(state for state in whole.states if state.step == STEPS // 2)
    again = trained(config, GPU, copy.deepcopy(middle))
    for name, value in whole.states[-1].model.items():
        torch.testing.assert_close(again.states[-1].model[name], value, rtol=1e-3, atol=1e-4)
