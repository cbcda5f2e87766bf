"""The auxiliary head: which maritime condition a search crop shows; never used in tracking."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtl.conditions import CONDITIONS
from mtl.config.schema import ConditionHeadConfig
from mtl.errors import ShapeError

NUM_SIZE_FEATURES = 2


class ConditionHead(nn.Module):
    """Mean search token, optionally beside two numbers about scale, through two linear layers.

    The mean is over the tokens that candidate elimination kept: the removed ones are zero vectors
    and would only scale it.

    Args:
        config: sizes of the head.
        width: channels of a token.
    """

    def __init__(self, config: ConditionHeadConfig, width: int) -> None:
        super().__init__()
        self.size_features = config.size_features
        inputs = width + (NUM_SIZE_FEATURES if config.size_features else 0)
        self.fc1 = nn.Linear(inputs, config.hidden_width)
        self.dropout = nn.Dropout(config.dropout)
        self.fc2 = nn.Linear(config.hidden_width, len(CONDITIONS))

    def forward(self, pooled: Tensor, size_features: Tensor | None) -> Tensor:
        """Logits of the conditions.

        Args:
            pooled: (..., width) mean kept token.
            size_features: (..., 2), used (and needed) only if the config asks for them.

        Returns:
            (..., 10).

        Raises:
            ShapeError: if the config asks for size features and they do not come with the tokens.
        """
        if self.size_features:
            wanted = (*pooled.shape[:-1], NUM_SIZE_FEATURES)
            if size_features is None or size_features.shape != wanted:
                got = None if size_features is None else tuple(size_features.shape)
                raise ShapeError(
                    f"size_features must be {wanted}, got {got}; pass them or set "
                    "head.size_features=false."
                )
            pooled = torch.cat([pooled, size_features.to(pooled.dtype)], dim=-1)
        return self.fc2(self.dropout(self.fc1(pooled).relu()))
