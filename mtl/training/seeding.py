"""Randomness of a step is a pure function of (seed, step, rank): nothing to save or lose."""

from __future__ import annotations

import numpy as np
import torch


def seed_weights(seed: int) -> None:
    """Seed the initialisation of the model, the same on every rank."""
    torch.manual_seed(_draw(seed, 0))


def seed_step(seed: int, step: int, rank: int) -> None:
    """Seed dropout and stochastic depth of one optimiser step on one rank.

    A run that goes on at `step` after an interruption draws what it would have drawn without it.
    """
    torch.manual_seed(_draw(seed, 1, step, rank))


def _draw(*entropy: int) -> int:
    return int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> np.uint64(1))
