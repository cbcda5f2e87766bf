"""The networks of the trackers, their condition head, and their losses."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from mtl.config.base import Config, Ratio


class CropConfig(Config):
    """Size of a crop and how much of the picture it shows."""

    size: PositiveInt
    """Side of the square crop in pixels after resizing."""
    factor: PositiveFloat
    """Side of the crop before resizing over the square root of the box area."""


class BackboneConfig(Config):
    """One-stream vision transformer."""

    width: PositiveInt = 768
    """Channels of a token."""
    depth: PositiveInt = 12
    """Number of blocks."""
    num_heads: PositiveInt = 12
    """Attention heads; must divide width."""
    mlp_ratio: PositiveFloat = 4.0
    """Hidden width of a block's perceptron over width."""
    patch_size: PositiveInt = 16
    """Side of a patch in pixels, also its stride; must divide both crop sizes."""
    drop_path: Ratio = 0.1
    """Stochastic depth rate of the last block; block 0 has none, the rate grows linearly."""
    elimination_blocks: tuple[NonNegativeInt, ...] = (3, 6, 9)
    """Blocks (from 0) after whose attention search tokens are eliminated."""
    keep_ratio: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Share of search tokens each elimination keeps; 1 switches elimination off."""
    elimination_start_epoch: NonNegativeInt = 20
    """Until this epoch (counted from 1) training keeps every token."""
    elimination_full_epoch: PositiveInt = 100
    """From this epoch on training eliminates as much as tracking; in between along a cosine."""

    @model_validator(mode="after")
    def _check(self) -> BackboneConfig:
        if self.width % self.num_heads:
            raise ValueError(
                f"width must be a multiple of num_heads, got {self.width} and {self.num_heads}"
            )
        if self.elimination_full_epoch <= self.elimination_start_epoch:
            raise ValueError("elimination_full_epoch must be later than elimination_start_epoch")
        if any(block >= self.depth for block in self.elimination_blocks):
            raise ValueError(
                f"elimination_blocks must be below depth {self.depth}, "
                f"got {list(self.elimination_blocks)}"
            )
        return self


class BoxHeadConfig(Config):
    """Head that turns the fused search map into a box."""

    kind: Literal["center", "corner"] = "center"
    """Score, size and offset maps (center), or two corner heat maps (corner)."""
    channels: Annotated[int, Field(ge=8, multiple_of=8)] = 256
    """Channels of the first convolution; each of the next three halves them."""


class PromptConfig(Config):
    """Historical prompt network: encoder, memory and decoder of HIPTrack."""

    key_width: PositiveInt = 64
    """Channels of a memory key."""
    encoder_width: PositiveInt = 64
    """Channels of the encoder's stem; its stages have 1, 2 and 4 times as many."""
    gate_reduction: PositiveInt = 16
    """Reduction of the channel attention's bottleneck."""


class MemoryConfig(Config):
    """Historical prompt memory while tracking."""

    capacity: PositiveInt = 150
    """Entries kept; the oldest leaves first."""
    update_interval: PositiveInt = 20
    """Frames between two writes."""


class TrackerConfig(Config):
    """What every tracker has, whatever its network."""

    template: CropConfig
    """Crop of the first frame."""
    search: CropConfig
    """Crop in which the target is looked for."""
    search_frames: PositiveInt
    """Search frames in a training clip."""
    init: str | None = None
    """Weights to start from: a folder of `mtl import`, a run folder or a .safetensors file."""


class HIPTrackConfig(TrackerConfig):
    """HIPTrack: the sizes of the network and of its crops."""

    family: Literal["hiptrack"] = "hiptrack"
    """Which of the model families this is."""
    template: CropConfig = CropConfig(size=192, factor=2.0)
    """Crop of the first frame."""
    search: CropConfig = CropConfig(size=384, factor=5.0)
    """Crop in which the target is looked for."""
    search_frames: PositiveInt = 5
    """Search frames in a training clip."""
    backbone: BackboneConfig = BackboneConfig()
    """The transformer both tasks share."""
    box_head: BoxHeadConfig = BoxHeadConfig()
    """The tracker's head."""
    prompt: PromptConfig = PromptConfig()
    """The historical prompt network."""
    memory: MemoryConfig = MemoryConfig()
    """What the tracker remembers."""
    frames_per_pass: PositiveInt | None = None
    """Search frames in one backbone pass (equal results); none: all on a GPU, one on a CPU."""

    @model_validator(mode="after")
    def _check(self) -> HIPTrackConfig:
        _check_crops(self, self.backbone.patch_size)
        if self.backbone.width % 2:
            raise ValueError(f"backbone.width must be even, got {self.backbone.width}")
        return self


class ClipBackboneConfig(Config):
    """Visual tower of CLIP over template, class, search and foveal tokens together."""

    width: PositiveInt = 768
    """Channels of a token; must be even."""
    depth: PositiveInt = 12
    """Number of blocks."""
    num_heads: PositiveInt = 12
    """Attention heads; must divide width."""
    mlp_ratio: PositiveFloat = 4.0
    """Hidden width of a block's perceptron over width."""
    patch_size: PositiveInt = 16
    """Side of a patch in pixels, also its stride; must divide both crop sizes."""
    fovea: PositiveInt = 64
    """Side in pixels of the template's middle that is embedded once more, half a patch aside."""

    @model_validator(mode="after")
    def _check(self) -> ClipBackboneConfig:
        if self.width % self.num_heads or self.width % 2:
            raise ValueError(
                "width must be even and a multiple of num_heads, "
                f"got {self.width} and {self.num_heads}"
            )
        return self


class SimTrackConfig(TrackerConfig):
    """SimTrack: the sizes of the network and of its crops (SimTrack specification, section 1)."""

    family: Literal["simtrack"] = "simtrack"
    """Which of the model families this is."""
    template: CropConfig = CropConfig(size=112, factor=2.0)
    """Crop of the first frame."""
    search: CropConfig = CropConfig(size=224, factor=4.0)
    """Crop in which the target is looked for."""
    search_frames: PositiveInt = 1
    """Search frames in a training clip; each is looked at for itself."""
    backbone: ClipBackboneConfig = ClipBackboneConfig()
    """The transformer both tasks share."""
    bottleneck_width: PositiveInt = 256
    """Channels between the transformer and the heads."""
    box_head_channels: Annotated[int, Field(ge=8, multiple_of=8)] = 256
    """Channels of the corner head's first convolution; each of the next three halves them."""

    @model_validator(mode="after")
    def _check(self) -> SimTrackConfig:
        patch, fovea, template = self.backbone.patch_size, self.backbone.fovea, self.template.size
        _check_crops(self, patch)
        if fovea % patch or fovea >= template or (template - fovea) % patch:
            raise ValueError(
                f"backbone.fovea must be a multiple of backbone.patch_size {patch}, smaller than "
                f"template.size {template} and away from its border by whole half patches, "
                f"got {fovea}"
            )
        return self


def _check_crops(config: TrackerConfig, patch_size: int) -> None:
    for name, crop in (("template", config.template), ("search", config.search)):
        if crop.size % patch_size:
            raise ValueError(
                f"{name}.size must be a multiple of backbone.patch_size, "
                f"got {crop.size} and {patch_size}"
            )


def _family(values: Any) -> str:
    """Which model a map of keys describes: hiptrack where it does not say."""
    if isinstance(values, dict):
        return str(values.get("family", "hiptrack"))
    return str(getattr(values, "family", "hiptrack"))


ModelConfig = Annotated[
    Annotated[HIPTrackConfig, Tag("hiptrack")] | Annotated[SimTrackConfig, Tag("simtrack")],
    Discriminator(_family),
]
"""The network of a run, by its `family`."""

PARTS: dict[str, tuple[str, ...]] = {
    "hiptrack": ("backbone", "prompt", "box_head", "condition_head"),
    "simtrack": ("backbone", "position", "bottleneck", "box_head", "condition_head"),
}
"""The parts a stage can freeze, by model family."""


class ConditionHeadConfig(Config):
    """Auxiliary head that names the maritime condition of a frame; `mode` says what it learns."""

    hidden_width: PositiveInt = 512
    """Width of the hidden layer."""
    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Dropout between the two layers."""
    size_features: bool = False
    """Show the head log size ratio to the template and log size in pixels, which a crop hides."""
    pool: Literal["class_token", "mean_search"] | None = None
    """What the head sees; none: the class token where there is one (SimTrack), else mean_search."""
    fusion: Literal["none", "residual", "film"] | None = None
    """How conditions change the box head's input (then the head runs while tracking too); null:
    film in mode mtl_film, else none."""


class LossConfig(Config):
    """Weights of the losses in the total."""

    giou: NonNegativeFloat = 2.0
    """Weight of the generalized IoU loss."""
    l1: NonNegativeFloat = 5.0
    """Weight of the L1 distance of box corners."""
    location: NonNegativeFloat = 1.0
    """Weight of the focal loss on the score map."""
    cls_weight: NonNegativeFloat = 0.1
    """Weight of the condition loss."""
    severity: NonNegativeFloat = 1.0
    """Weight of the severity distance beside the attributes, before cls_weight multiplies both."""
    silence_crossed_boxes: bool = True
    """Published rule: one box with crossed corners takes the GIoU loss from its whole batch."""
    classification: Literal["cross_entropy", "focal"] = "cross_entropy"
    """Loss of hard labels."""
    focal_gamma: NonNegativeFloat = 2.0
    """Exponent of the focal loss."""
    label_smoothing: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of a hard label that is spread over all classes; 0.1 is usual."""
    class_weights: bool = False
    """Weigh each class by the inverse of its count in the training split; attributes have none."""
