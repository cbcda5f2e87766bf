"""How large a run's batches and indices are, measured on the run itself."""

from __future__ import annotations

import math
import pickle

from mtl.config.run import RunConfig
from mtl.families import Indices, family_of


def batch_bytes(config: RunConfig, indices: Indices) -> int:
    """Bytes of a worker's micro-batch that crosses processes; 0 where samples are made in place."""
    if not config.cluster.decode_in_tasks:
        return 0
    training = config.training
    size = math.ceil(training.batch_size / (training.accumulate * config.cluster.most))
    sample = family_of(config).sampler(indices.train, training=True).sample(0)
    return size * sum(array.nbytes for array in sample.values())


def index_bytes(indices: Indices) -> int:
    """Bytes of the indices as every process of the cluster shares them."""
    return len(pickle.dumps(indices))
