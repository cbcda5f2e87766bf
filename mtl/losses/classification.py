"""The image classification loss of the unified model (its specification, section 3)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from mtl.config.unified import PoolingConfig, UnifiedLossConfig
from mtl.models.unified.decoders import pool_classes

RAW_MEANS = PoolingConfig(kind="mean")


def class_logits(cls_raw: Tensor, pooling: PoolingConfig, config: UnifiedLossConfig) -> Tensor:
    """What the softmax of the loss sees (B, C): pooled values or raw means, over the temperature.

    Args:
        cls_raw: (B, C, h, w).
        pooling: of the model.
        config: which of the two.
    """
    pooled = pool_classes(cls_raw, pooling if config.classification == "pooled" else RAW_MEANS)
    return pooled / config.classification_temperature


def classification_loss(
    cls_raw: Tensor, labels: Tensor, pooling: PoolingConfig, config: UnifiedLossConfig
) -> Tensor:
    """Mean over the images.

    As published it is the cross-entropy of pooled values in [0, 1], which cannot fall below
    ln(1 + (C - 1) / e).

    Args:
        cls_raw: (B, C, h, w).
        labels: (B,) int64.
        pooling: of the model.
        config: which loss.
    """
    logits = class_logits(cls_raw, pooling, config)
    if config.classification == "binary_cross_entropy":
        wanted = F.one_hot(labels, logits.shape[1]).to(logits.dtype)
        return F.binary_cross_entropy_with_logits(logits, wanted)
    return F.cross_entropy(logits, labels)
