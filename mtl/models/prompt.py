"""The historical prompt network: picture, mask and features of a frame become a remembered value.

HIPTrack spec 4.1 to 4.3. Module names, capitals included, are those of the published weights.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mtl.models.memory import Readable


class ResidualBlock(nn.Module):
    """skip(u) + conv2(relu(conv1(relu(u)))); no normalisation, the skip sees u before the relu."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.downsample = None
        if inputs != outputs:
            self.downsample = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h, w)."""
        branch = self.conv2(F.relu(self.conv1(F.relu(maps))))
        return branch + (maps if self.downsample is None else self.downsample(maps))


class KeyProjection(nn.Module):
    """Backbone features to memory keys."""

    def __init__(self, width: int, key_width: int) -> None:
        super().__init__()
        self.key_proj = nn.Conv2d(width, key_width, kernel_size=3, padding=1)
        nn.init.orthogonal_(self.key_proj.weight)
        _zero_bias(self.key_proj)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, width, h, w) -> (B, key_width, h, w)."""
        return self.key_proj(maps)


class ChannelGate(nn.Module):
    """Weighs channels by their mean and maximum over the map (CBAM, Woo et al., ECCV 2018)."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        hidden = max(channels // reduction, 1)
        self.mlp = nn.Sequential(
            nn.Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        gate = self.mlp(maps.mean(dim=(2, 3))) + self.mlp(maps.amax(dim=(2, 3)))
        return maps * gate.sigmoid()[:, :, None, None]


class GateConvolution(nn.Module):
    """The spatial gate's convolution, one level down for the sake of its name."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size=7, padding=3)

    def forward(self, maps: Tensor) -> Tensor:
        """(B, 2, h, w) -> (B, 1, h, w)."""
        return self.conv(maps)


class SpatialGate(nn.Module):
    """Weighs cells by the maximum and the mean over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = GateConvolution()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        seen = torch.cat([maps.amax(dim=1, keepdim=True), maps.mean(dim=1, keepdim=True)], dim=1)
        return maps * self.spatial(seen).sigmoid()


class ChannelAndSpatialGate(nn.Module):
    """CBAM: the channel gate, then the spatial one."""

    def __init__(self, channels: int, reduction: int) -> None:
        super().__init__()
        self.ChannelGate = ChannelGate(channels, reduction)
        self.SpatialGate = SpatialGate()

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, h, w) -> (B, C, h, w)."""
        return self.SpatialGate(self.ChannelGate(maps))


class Fuser(nn.Module):
    """Encoder and backbone features of a frame to its value map."""

    def __init__(self, inputs: int, outputs: int, gate_reduction: int) -> None:
        super().__init__()
        self.block1 = ResidualBlock(inputs, outputs)
        self.attention = ChannelAndSpatialGate(outputs, gate_reduction)
        self.block2 = ResidualBlock(outputs, outputs)

    def forward(self, encoded: Tensor, features: Tensor) -> Tensor:
        """(B, Ce, h, w), (B, C, h, w) -> (B, outputs, h, w)."""
        mixed = self.block1(torch.cat([encoded, features], dim=1))
        return self.block2(mixed + self.attention(mixed))


class BasicBlock(nn.Module):
    """Residual block of ResNet-18 (He et al., CVPR 2016), with biased convolutions."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, kernel_size=3, padding=1)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.downsample = None
        if stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride), nn.BatchNorm2d(outputs)
            )

    def forward(self, maps: Tensor) -> Tensor:
        """(B, inputs, h, w) -> (B, outputs, h / stride, w / stride)."""
        branch = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(maps)), inplace=True)))
        return F.relu(branch + (maps if self.downsample is None else self.downsample(maps)))


class PromptEncoder(nn.Module):
    """ResNet-18 stem and three stages over picture and mask, fused with backbone features.

    Args:
        width: channels of the backbone.
        value_width: channels of the result.
        stem_width: channels of the stem; stages have 1, 2 and 4 times as many.
        gate_reduction: of the fuser's channel gate.
    """

    def __init__(self, width: int, value_width: int, stem_width: int, gate_reduction: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(4, stem_width, kernel_size=7, stride=2, padding=3)
        self.bn1 = nn.BatchNorm2d(stem_width)
        self.layer1 = _stage(stem_width, stem_width, stride=1)
        self.layer2 = _stage(stem_width, 2 * stem_width, stride=2)
        self.layer3 = _stage(2 * stem_width, 4 * stem_width, stride=2)
        # The published start is ImageNet's ResNet-18; without it, He's initialisation of that net.
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                _zero_bias(module)
        self.fuser = Fuser(4 * stem_width + width, value_width, gate_reduction)

    def encode(self, image: Tensor, mask: Tensor) -> Tensor:
        """What depends on picture and mask alone.

        Args:
            image: (B, 3, s, s) normalised.
            mask: (B, 1, s, s) zeros and ones.

        Returns:
            (B, 4 stem_width, s / 16, s / 16).
        """
        maps = F.relu(self.bn1(self.conv1(torch.cat([image, mask], dim=1))), inplace=True)
        maps = F.max_pool2d(maps, kernel_size=3, stride=2, padding=1)
        return self.layer3(self.layer2(self.layer1(maps)))

    def fuse(self, encoded: Tensor, features: Tensor) -> Tensor:
        """Value map of a frame.

        The encoder has stride 16. Where the backbone's patches are of another size its map is
        resized bilinearly (half-pixel centres) to the backbone's grid.

        Args:
            encoded: (B, Ce, h', w') from `encode`.
            features: (B, C, h, w) of the backbone.

        Returns:
            (B, value_width, h, w).
        """
        if encoded.shape[-2:] != features.shape[-2:]:
            encoded = F.interpolate(
                encoded, size=features.shape[-2:], mode="bilinear", align_corners=False
            )
        return self.fuser(encoded, features)


class PromptDecoder(nn.Module):
    """Reads the memory and puts what was read before the present features; has no weights."""

    def forward(self, memory: Readable, key: Tensor, thin: Tensor) -> Tensor:
        """Prompt of a frame.

        Args:
            memory: at least one entry.
            key: (B, N, Ck) of the present frame.
            thin: (B, Cv, h, w) features of the present frame, h w = N.

        Returns:
            (B, 2 Cv, h, w).
        """
        remembered = memory.read(key).to(thin.dtype)
        return torch.cat([to_map(remembered, thin.shape[-1]), thin], dim=1)


class HistoricalPrompt(nn.Module):
    """Encoder and decoder of the historical prompt network, under their published name."""

    def __init__(self, encoder: PromptEncoder) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = PromptDecoder()


def to_map(tokens: Tensor, side: int) -> Tensor:
    """(B, side^2, C) -> (B, C, side, side), a view."""
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def to_tokens(maps: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h w, C), a view."""
    return maps.flatten(2).transpose(1, 2)


def _stage(inputs: int, outputs: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(inputs, outputs, stride), BasicBlock(outputs, outputs, 1))


def _zero_bias(convolution: nn.Conv2d) -> None:
    if convolution.bias is not None:
        nn.init.zeros_(convolution.bias)
