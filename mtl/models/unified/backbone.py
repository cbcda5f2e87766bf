"""EfficientNet without its classifier, from timm."""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import timm
from timm.models.efficientnet import EfficientNet
from torch import Tensor, nn

from mtl.config.unified import UnifiedBackboneConfig

LATERAL_STRIDES = (16, 8)
STEM_STRIDE = 4


class Features(NamedTuple):
    """What the rest of the model sees of a batch of images."""

    last: Tensor
    """(B, C, h/2, w/2) at stride 32."""
    laterals: tuple[Tensor, ...] = ()
    """At the strides of `LATERAL_STRIDES`, where the model looks at them."""


def build_backbone(config: UnifiedBackboneConfig) -> EfficientNet:
    """The network with timm's names and initialisation; nothing is downloaded."""
    network = timm.create_model(
        config.name,
        pretrained=False,
        num_classes=0,
        global_pool="",
        drop_path_rate=config.drop_path,
    )
    return cast(EfficientNet, network)


def lateral_channels(network: EfficientNet) -> dict[int, int]:
    """Channels of the maps at the strides of `LATERAL_STRIDES`."""
    levels = {level["reduction"]: level["num_chs"] for level in _levels(network)}
    return {stride: levels[stride] for stride in LATERAL_STRIDES}


def stem(network: EfficientNet) -> list[nn.Module]:
    """What comes before the first map of stride 8: few weights, and most of the pixels."""
    (block,) = (level["module"] for level in _levels(network) if level["reduction"] == STEM_STRIDE)
    last = int(block.removeprefix("blocks."))
    return [network.conv_stem, network.bn1, *network.blocks[: last + 1]]


def extract(network: nn.Module, images: Tensor, laterals: bool) -> Features:
    """One pass through the network.

    Args:
        network: of `build_backbone`.
        images: (B, 3, H, W) normalised.
        laterals: whether the maps of finer strides are wanted.
    """
    efficientnet = cast(EfficientNet, network)
    if not laterals:
        return Features(efficientnet.forward_features(images))
    strides = [level["reduction"] for level in _levels(efficientnet)]
    indices = sorted(strides.index(stride) for stride in LATERAL_STRIDES)
    last, found = efficientnet.forward_intermediates(images, indices=indices)
    by_stride = dict(zip((strides[index] for index in indices), found, strict=True))
    return Features(last, tuple(by_stride[stride] for stride in LATERAL_STRIDES))


def _levels(network: EfficientNet) -> list[dict[str, Any]]:
    """Last stage of each stride."""
    return cast(list[dict[str, Any]], network.feature_info)
