"""How large a run's model and batches are, measured on the run itself."""

from __future__ import annotations

import math
import pickle

import torch

from mtl.config.run import RunConfig
from mtl.families import Indices, family_of


def num_parameters(config: RunConfig, indices: Indices) -> int:
    """Parameters and buffers of a run's model; a run with teachers has the model of each."""
    first = family_of(family_of(config).prepared()).first()
    run = first[0] if first else config
    own = family_of(run).indices() if first else indices
    model = family_of(run).task(own, torch.device("cpu")).build_model()
    return sum(tensor.numel() for tensor in model.state_dict().values())


def batch_bytes(config: RunConfig, indices: Indices) -> int:
    """Bytes of a worker's micro-batch that crosses processes; 0 where samples are made in place."""
    if not config.cluster.decode_in_tasks:
        return 0
    training = config.training
    size = math.ceil(training.batch_size / (training.accumulate * config.cluster.workers))
    sample = family_of(config).sampler(indices.train, training=True).sample(0)
    return size * sum(array.nbytes for array in sample.values())


def index_bytes(indices: Indices) -> int:
    """Bytes of the indices as every process of the cluster shares them."""
    return len(pickle.dumps(indices))
