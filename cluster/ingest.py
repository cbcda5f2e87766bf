"""Ray Data streams sample numbers to a training worker; samples are made on the way.

A sample is a pure function of its number, so what travels is the number. It becomes pixels either
in the worker's prefetch threads (`collate_fn`: nothing heavy crosses a process) or, with
`cluster.decode_in_tasks`, in Ray tasks on any node, one block per micro-batch.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import ray
import ray.data
import torch

from cluster.patience import impatient
from mtl.config.schema import RunConfig
from mtl.data.collate import collate
from mtl.families import Family, Indices
from mtl.families.family import Sampler
from mtl.tasks.task import Batch
from mtl.training.distributed import world
from mtl.training.numbers import training_numbers, validation_numbers

logging.getLogger("ray.data").setLevel(logging.ERROR)


class SampleMaker:
    """Numbers in, a batch of arrays out. Pickles small: the sampler is made where it is used."""

    def __init__(self, family: Family, index: Any, training: bool) -> None:
        self._family, self._index, self._training = family, index, training

    @functools.cached_property
    def sampler(self) -> Sampler:
        """The sampler over this machine's copy of the data."""
        cv2.setNumThreads(1)  # batches are made in parallel already
        return self._family.sampler(self._index, self._training)

    def __call__(self, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Batch of the samples whose numbers stand in the column `data`."""
        return collate([self.sampler.sample(int(number)) for number in rows["data"]])

    def __getstate__(self) -> dict[str, object]:
        return {k: v for k, v in self.__dict__.items() if k != "sampler"}


class RayBatches:
    """This rank's batches of a run, by Ray Data.

    Args:
        config: of the run.
        family: its samplers.
        indices: of its splits.
        device: where batches are wanted.
        tell: takes a sentence for the person at the terminal.
    """

    def __init__(
        self,
        config: RunConfig,
        family: Family,
        indices: Indices,
        device: torch.device,
        tell: Callable[[str], None],
    ) -> None:
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = True
        context.raise_original_map_exception = True  # its sentence, not that a block failed
        self._config, self._device, self._tell = config, device, tell
        self._train = SampleMaker(family, indices.train, training=True)
        val = indices.val
        self._val_samples = 0 if val is None else family.val_samples(val)
        self._val = None if val is None else SampleMaker(family, val, training=False)

    def training(self, first_step: int, last_step: int) -> Iterator[Batch]:
        """Micro-batches of the steps, as `mtl.training.run.Batches` wants them."""
        rank, size = world()
        training = self._config.training
        numbers = training_numbers(
            first_step, last_step, training.batch_size, training.accumulate, rank, size
        )
        return self._stream(list(numbers), self._train)

    def validation(self) -> Iterator[Batch]:
        """This rank's validation batches."""
        rank, size = world()
        training = self._config.training
        micro_batch = training.batch_size // (size * training.accumulate)
        numbers = validation_numbers(self._val_samples, micro_batch, rank, size)
        return self._stream(numbers, self._val) if self._val else iter(())

    def _stream(self, numbers: list[np.ndarray], maker: SampleMaker) -> Iterator[Batch]:
        """Batches of these numbers in this order; all but the last are of one size."""
        if not numbers:
            return
        if self._config.cluster.decode_in_tasks:
            dataset = ray.data.from_numpy(numbers).map_batches(maker, batch_size=None)
            make = to_tensors
        else:
            dataset = ray.data.from_numpy(np.concatenate(numbers))
            make = functools.partial(_make_tensors, maker)
        batches = dataset.iter_torch_batches(
            batch_size=len(numbers[0]),
            prefetch_batches=self._config.cluster.prefetch_batches,
            collate_fn=make,
        )
        for batch in impatient(iter(batches), self._tell):
            yield {name: x.to(self._device, non_blocking=True) for name, x in batch.items()}


def _make_tensors(maker: SampleMaker, rows: dict[str, np.ndarray]) -> Batch:
    return to_tensors(maker(rows))


def to_tensors(arrays: dict[str, np.ndarray]) -> Batch:
    """Tensors of the trainer's own: what lies in the object store must not be written to."""
    return {
        name: torch.from_numpy(array if array.flags.writeable else array.copy())
        for name, array in arrays.items()
    }
