"""The auxiliary head: which maritime condition a search crop shows, and how that reaches the box.

Its ten outputs are logits of the ten conditions, or of nine attributes and severity; `answers` says
which. With a fusion the box head sees what the condition head found, so the head runs while
tracking too; without one it costs nothing there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from mtl.conditions import OUTPUT_NAMES
from mtl.config.modes import Answers
from mtl.config.schema import ConditionHeadConfig
from mtl.errors import ShapeError

NUM_SIZE_FEATURES = 2


class ConditionHead(nn.Module):
    """A pooled token, optionally beside two numbers about scale, through two linear layers.

    Args:
        config: sizes of the head, and its fusion.
        width: channels of a token.
        map_width: channels of the box head's input, which a fusion changes.
        answers: what the outputs mean.
    """

    def __init__(
        self, config: ConditionHeadConfig, width: int, map_width: int, answers: Answers
    ) -> None:
        super().__init__()
        self.size_features = config.size_features
        self.answers = answers
        self.names = OUTPUT_NAMES[answers]
        inputs = width + (NUM_SIZE_FEATURES if config.size_features else 0)
        self.fc1 = nn.Linear(inputs, config.hidden_width)
        self.dropout = nn.Dropout(config.dropout)
        self.fc2 = nn.Linear(config.hidden_width, len(self.names))
        self.residual = None
        self.film = None
        if config.fusion == "residual":
            self.residual = nn.Linear(config.hidden_width, map_width)
            _start_at_zero(self.residual)
        elif config.fusion == "film":
            self.film = FiLM(len(self.names), config.hidden_width, map_width)

    @property
    def fuses(self) -> bool:
        """Whether the box head's input depends on this head."""
        return self.residual is not None or self.film is not None

    def features(self, pooled: Tensor, size_features: Tensor | None) -> Tensor:
        """Hidden features.

        Args:
            pooled: (..., width) what the head looks at.
            size_features: (..., 2), used (and needed) only if the config asks for them.

        Returns:
            (..., hidden_width) after dropout.

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
        return self.dropout(self.fc1(pooled).relu())

    def logits(self, features: Tensor) -> Tensor:
        """(..., hidden_width) -> (..., 10)."""
        return self.fc2(features)

    def fuse(self, maps: Tensor, features: Tensor) -> Tensor:
        """The box head's input as the conditions change it; unchanged without a fusion.

        Args:
            maps: (B, map_width, h, w).
            features: (B, hidden_width) of the same frames, from `features`.
        """
        if self.residual is not None:
            return maps + self.residual(features)[:, :, None, None].to(maps.dtype)
        if self.film is not None:
            return self.film(maps, self.probabilities(self.logits(features)))
        return maps

    def probabilities(self, logits: Tensor) -> Tensor:
        """(..., 10): a distribution over the classes, or a probability for each attribute."""
        logits = logits.float()
        return logits.softmax(dim=-1) if self.answers == "classes" else logits.sigmoid()


class FiLM(nn.Module):
    """Feature-wise modulation F (1 + tanh(gamma)) + beta (annotation formats, section 6).

    gamma and beta come from a two-layer perceptron over the condition vector, whose last layer
    starts at zero: an untrained modulation changes nothing.
    """

    def __init__(self, inputs: int, hidden: int, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(inputs, hidden)
        self.fc2 = nn.Linear(hidden, 2 * channels)
        _start_at_zero(self.fc2)

    def forward(self, maps: Tensor, vector: Tensor) -> Tensor:
        """Maps (B, channels, h, w) and vectors (B, inputs) -> (B, channels, h, w)."""
        gamma, beta = self.fc2(self.fc1(vector.to(self.fc1.weight.dtype)).relu()).chunk(2, dim=-1)
        gain = (1.0 + gamma.tanh())[:, :, None, None].to(maps.dtype)
        return maps * gain + beta[:, :, None, None].to(maps.dtype)


def _start_at_zero(layer: nn.Linear) -> None:
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
