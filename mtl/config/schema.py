"""Every key a run knows, with its default, its range and one sentence of documentation.

Defaults live here only: a preset lists what differs from them. They are the published HIPTrack
recipe (reference specification, sections 1 and 9 to 11) unless a sentence says otherwise; those of
the keys only SimTrack has are the published SimTrack.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from mtl.config.modes import MODES, ModeName, ModeTraits

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]


class Config(BaseModel):
    """Base: frozen, strict types, no unknown keys, docstrings are the field descriptions."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )


class DataConfig(Config):
    """Where the frames and labels are and how they are read."""

    root: str | None = None
    """Folder or URI with train/, val/, test/ in GOT-10k or MVTD layout; none: embedded data."""
    labels: str | None = None
    """Folder or URI with <split>_*/<sequence>/*.jsonl condition files; none: beside the splits."""
    label_rule: Literal["hiptrack", "simtrack"] = "hiptrack"
    """Which flag wins if several are set: first in a fixed order, or in the record (simtrack)."""
    min_confidence: Ratio = 0.0
    """VLM flags below this confidence are read as not set."""
    box_format: Literal["xywh", "xyxy"] = "xywh"
    """Format of boxes in condition JSONL; published files hold xywh whatever their comments say."""
    on_error: Literal["stop", "skip"] = "stop"
    """What a bad item does: stop the run with one sentence, or be left out and counted."""
    val_ratio: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of training sequences (never frames) held out when the root has no val split."""
    max_pixels: PositiveInt = 64_000_000
    """A picture with more pixels than this is refused before it is decoded."""
    max_gap: PositiveInt = 70
    """Neighbours in a clip (SimTrack: template and search) are fewer frames apart than this."""
    min_frames: PositiveInt = 20
    """Shorter sequences give no training clips (HIPTrack specification 10.1)."""
    weighted_sampling: bool = False
    """Draw training clips in proportion to the class weights of their frames' conditions."""
    synthetic: SyntheticConfig = Field(default_factory=lambda: SyntheticConfig())
    """Size of the embedded data set, used when root is not given."""


class SyntheticConfig(Config):
    """The rendered maritime sequences a run uses when it has no data of its own."""

    train_sequences: PositiveInt = 60
    """Sequences in the training split; conditions take turns."""
    val_sequences: PositiveInt = 20
    """Sequences in the validation split, rendered from other seeds than the training ones."""
    frames: PositiveInt = 24
    """Frames in each sequence."""
    width: PositiveInt = 256
    """Width of a frame in pixels."""
    height: PositiveInt = 192
    """Height of a frame in pixels."""
    seed: NonNegativeInt = 7
    """Seed of the renderer; the same seed gives the same bytes."""


class CropConfig(Config):
    """Size of a crop and how much of the picture it shows."""

    size: PositiveInt
    """Side of the square crop in pixels after resizing."""
    factor: PositiveFloat
    """Side of the crop before resizing over the square root of the box area."""


class AugmentationConfig(Config):
    """Random changes of a training clip; validation has jitter and the clip-wide ones only."""

    gray_probability: Ratio = 0.05
    """Probability that a whole clip becomes grey."""
    flip_probability: Ratio = 0.5
    """Probability that a whole clip is mirrored left to right."""
    frame_flip_probability: Ratio = 0.5
    """Probability that a single crop is mirrored, drawn anew for every frame."""
    brightness: Ratio = 0.2
    """Brightness factor of a crop is uniform in [1 - brightness, 1 + brightness]."""
    scale_jitter: NonNegativeFloat = 0.5
    """Search boxes grow by exp(scale_jitter * normal) before cropping."""
    center_jitter: NonNegativeFloat = 4.5
    """Search boxes move by up to half this many box sides before cropping."""
    reverse_probability: Ratio = 0.5
    """Probability that a clip is played backwards."""


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


class FixedWeighting(Config):
    """Tasks weigh what the loss weights say."""

    kind: Literal["fixed"] = "fixed"
    """Names this scheme."""


class LearnableWeighting(Config):
    """Weights sigmoid(r) over their sum, learned with the model."""

    kind: Literal["learnable"] = "learnable"
    """Names this scheme."""
    learning_rate: PositiveFloat = 1e-3
    """Learning rate of r."""


class UncertaintyWeighting(Config):
    """Homoscedastic uncertainty (Kendall et al., CVPR 2018): exp(-s) loss + s, s learned."""

    kind: Literal["uncertainty"] = "uncertainty"
    """Names this scheme."""
    learning_rate: PositiveFloat = 1e-3
    """Learning rate of s."""


class DWAWeighting(Config):
    """Dynamic weight average (Liu et al., CVPR 2019): by how fast each loss fell last epoch."""

    kind: Literal["dwa"] = "dwa"
    """Names this scheme."""
    temperature: PositiveFloat = 2.0
    """Softness of the weights."""


class RLWWeighting(Config):
    """Random loss weighting (Lin et al., TMLR 2022): softmax of normal numbers, new each step."""

    kind: Literal["rlw"] = "rlw"
    """Names this scheme."""


class FAMOWeighting(Config):
    """Fast adaptive multitask optimisation (Liu et al., NeurIPS 2023)."""

    kind: Literal["famo"] = "famo"
    """Names this scheme."""
    learning_rate: PositiveFloat = 0.025
    """Learning rate of the weights' logits."""
    decay: NonNegativeFloat = 1e-3
    """Weight decay of the logits."""


class PCGradWeighting(Config):
    """Projecting conflicting gradients (Yu et al., NeurIPS 2020), in a random order per step."""

    kind: Literal["pcgrad"] = "pcgrad"
    """Names this scheme."""


class CAGradWeighting(Config):
    """Conflict-averse gradient descent (Liu et al., NeurIPS 2021)."""

    kind: Literal["cagrad"] = "cagrad"
    """Names this scheme."""
    c: Ratio = 0.5
    """How far the direction may leave the mean gradient, over its length."""


class NashMTLWeighting(Config):
    """Nash bargaining over gradients (Navon et al., ICML 2022)."""

    kind: Literal["nash_mtl"] = "nash_mtl"
    """Names this scheme."""


Weighting = Annotated[
    FixedWeighting
    | LearnableWeighting
    | UncertaintyWeighting
    | DWAWeighting
    | RLWWeighting
    | FAMOWeighting
    | PCGradWeighting
    | CAGradWeighting
    | NashMTLWeighting,
    Field(discriminator="kind"),
]
"""How the losses of several tasks become one step."""


class FrozenPart(Config):
    """How a part that does not learn behaves while the others do."""

    eval_mode: bool = True
    """Normalisation uses its stored statistics and dropout is off."""
    stochastic_depth: bool = False
    """Whether blocks are still dropped at random, as in the published frozen backbone."""


class CosineSchedule(Config):
    """Learning rate falls along a half cosine over the stage."""

    kind: Literal["cosine"] = "cosine"
    """Names this schedule."""
    warmup_ratio: Ratio = 0.0
    """Share of the stage's steps over which the rate first rises linearly from zero."""
    final_ratio: Ratio = 0.0
    """Learning rate at the end over learning rate at the start."""

    def factor(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Factor on the learning rate at a stage's `step` of `num_steps`, both counted from 0."""
        warmup = self.warmup_ratio * num_steps
        if step < warmup:
            return (step + 1) / warmup if warmup > 1 else 1.0
        progress = (step - warmup) / max(num_steps - warmup, 1)
        return self.final_ratio + (1 - self.final_ratio) * (1 + math.cos(math.pi * progress)) / 2


class StepSchedule(Config):
    """Learning rate drops once."""

    kind: Literal["step"] = "step"
    """Names this schedule."""
    drop_at_ratio: Ratio = 0.8
    """Share of the stage's epochs after which the rate drops."""
    gamma: PositiveFloat = 0.1
    """Factor of the drop."""

    def factor(self, step: int, num_steps: int, steps_per_epoch: int) -> float:
        """Factor on the learning rate at a stage's `step`; changes between epochs only."""
        epoch, epochs = step // steps_per_epoch, num_steps // steps_per_epoch
        return self.gamma if epoch >= self.drop_at_ratio * epochs else 1.0


class StageConfig(Config):
    """One stretch of training with its own learning rate and frozen parts."""

    epochs: NonNegativeInt
    """Epochs of this stage; 0 leaves it out."""
    learning_rate: PositiveFloat = 1e-4
    """Learning rate of the heads (and of everything that has no factor of its own)."""
    backbone_lr_ratio: NonNegativeFloat = 0.1
    """Learning rate of the backbone over learning_rate, where the backbone learns."""
    freeze: dict[str, FrozenPart] = Field(default_factory=dict)
    """Parts that do not learn: HIPTrack has backbone, prompt, box_head, condition_head; SimTrack
    backbone, position, bottleneck, box_head, condition_head."""
    schedule: Annotated[CosineSchedule | StepSchedule, Field(discriminator="kind")] = StepSchedule()
    """How the learning rate changes over the stage."""


class OptimizerConfig(Config):
    """AdamW, the same for every stage."""

    weight_decay: NonNegativeFloat = 1e-4
    """Decoupled weight decay, on every parameter that learns."""
    betas: tuple[Ratio, Ratio] = (0.9, 0.999)
    """Averaging factors of AdamW."""
    max_grad_norm: PositiveFloat = 0.1
    """Global gradient norm above which gradients are scaled down."""


class TrainingConfig(Config):
    """How much is trained at once, and what is written down."""

    batch_size: PositiveInt = 32
    """Clips per optimiser step, over all workers and micro-batches together."""
    accumulate: PositiveInt = 1
    """Micro-batches per step; they divide a worker's share of the batch."""
    samples_per_epoch: PositiveInt = 60_000
    """Training clips in an epoch."""
    val_samples: NonNegativeInt = 1_000
    """Validation clips after each epoch, the same ones every time; 0 leaves validation out."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    """Arithmetic of the forward pass; weights and losses stay fp32."""
    log_every: PositiveInt = 10
    """Steps between two points in TensorBoard and two updates of the progress display."""
    num_threads: PositiveInt | None = None
    """CPU threads of a worker's arithmetic; none: the CPUs it reserved."""


class CheckpointConfig(Config):
    """What is kept to go on from."""

    every_steps: PositiveInt | None = None
    """Steps between two checkpoints inside an epoch; none: at the end of each epoch only."""
    keep: PositiveInt = 2
    """Checkpoints kept besides the best one."""
    metric: str = "iou"
    """Validation metric that chooses the best weights; larger is better, loss/*: smaller."""


class EvaluationConfig(Config):
    """Online tracking at the end of a run."""

    splits: tuple[Literal["train", "val", "test"], ...] = ("val",)
    """Splits whose sequences are tracked when training has ended; each must exist."""
    max_sequences: PositiveInt | None = None
    """At most this many sequences of each split, in the order of the list; none: all."""


class DiagnosticsConfig(Config):
    """What is measured on the way besides the losses."""

    gradients_every: PositiveInt | None = None
    """Steps between two measurements of the tasks' gradients at the backbone; none: never."""


class ClusterConfig(Config):
    """What a run asks of the cluster."""

    workers: PositiveInt = 1
    """Training processes; the batch is shared between them."""
    gpus_per_worker: NonNegativeFloat | None = None
    """GPUs of each training process; none: one if the cluster has any, else zero."""
    cpus_per_worker: PositiveInt = 1
    """CPUs of each training process."""
    decode_in_tasks: bool = False
    """Make clips in Ray tasks on any node, not in prefetch threads; pays when decoding is slow."""
    prefetch_batches: PositiveInt = 4
    """Micro-batches prepared ahead of the one being trained."""
    max_failures: NonNegativeInt = 3
    """Worker failures after which the run gives up."""


class RunConfig(Config):
    """A whole run. What a command resolves from preset, file and overrides."""

    name: str | None = Field(default=None, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    """Name of the run and its folder; none: preset and time, so that none is reused by accident."""
    storage: str = "runs"
    """Folder or URI (s3://, gs://) of the run folders; all nodes must reach it. In jobs below ~."""
    resume: bool = False
    """Go on from the last checkpoint of the run with this name."""
    seed: NonNegativeInt = 42
    """Seed of weights, samples and dropout."""
    mode: ModeName = "mtl_hard"
    """What learns: boxes alone (finetune_bbox), conditions too (mtl_*), nothing (pretrained)."""
    data: DataConfig = DataConfig()
    """Frames and labels."""
    augmentation: AugmentationConfig = AugmentationConfig()
    """Random changes of a training clip."""
    model: ModelConfig = HIPTrackConfig()
    """The network."""
    head: ConditionHeadConfig = ConditionHeadConfig()
    """The auxiliary head."""
    loss: LossConfig = LossConfig()
    """Losses and their weights."""
    weighting: Weighting = FixedWeighting()
    """How tracking and conditions share a step."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """The optimiser."""
    stages: dict[str, StageConfig] = Field(min_length=1)
    """Stages by name, in the order in which they run."""
    training: TrainingConfig = TrainingConfig()
    """The loop."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """Resumable state."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """Tracking at the end."""
    diagnostics: DiagnosticsConfig = DiagnosticsConfig()
    """Measurements on the way."""
    cluster: ClusterConfig = ClusterConfig()
    """Placement."""

    @property
    def traits(self) -> ModeTraits:
        """What `mode` stands for."""
        return MODES[self.mode]

    @property
    def condition_head(self) -> ConditionHeadConfig | None:
        """The auxiliary head as `mode` has it; none: the published tracker alone."""
        if not self.traits.answers:
            return None
        return self.head.model_copy(update={"fusion": self.fusion})

    @property
    def fusion(self) -> Literal["none", "residual", "film"]:
        """How conditions change the box head's input."""
        return self.head.fusion or ("film" if self.mode == "mtl_film" else "none")

    @property
    def running_stages(self) -> dict[str, StageConfig]:
        """Stages that run: they have epochs, and something that learns in this mode."""
        if not self.traits.trains:
            return {}
        parts = set(PARTS[self.model.family])
        if self.condition_head is None:
            parts.remove("condition_head")
        return {n: s for n, s in self.stages.items() if s.epochs and parts - s.freeze.keys()}

    @model_validator(mode="after")
    def _check_mode(self) -> RunConfig:
        if self.mode == "mtl_film" and self.fusion != "film":
            raise ValueError(
                f"mode=mtl_film needs head.fusion=film, got {self.head.fusion}; "
                "mode=mtl_multilabel learns the same targets with any fusion"
            )
        if self.condition_head and self.head.pool == "class_token" and _has_no_class_token(self):
            raise ValueError("head.pool=class_token needs model.family=simtrack; use mean_search")
        parts = PARTS[self.model.family]
        for name, stage in self.stages.items():
            for part in stage.freeze:
                if part not in parts:
                    raise ValueError(
                        f"stages.{name}.freeze: '{part}' is no part of {self.model.family}; "
                        f"parts are {', '.join(parts)}"
                    )
        return self

    @model_validator(mode="after")
    def _check(self) -> RunConfig:
        share, rest = divmod(
            self.training.batch_size, self.cluster.workers * self.training.accumulate
        )
        if rest or not share:
            raise ValueError(
                f"training.batch_size {self.training.batch_size} must be a multiple of "
                f"cluster.workers * training.accumulate = "
                f"{self.cluster.workers * self.training.accumulate}"
            )
        if self.training.samples_per_epoch < self.training.batch_size:
            raise ValueError(
                f"training.samples_per_epoch {self.training.samples_per_epoch} must be at least "
                f"training.batch_size {self.training.batch_size}"
            )
        if 0 < self.training.val_samples < self.cluster.workers:
            raise ValueError(
                f"training.val_samples {self.training.val_samples} must be 0 or at least "
                f"cluster.workers {self.cluster.workers}"
            )
        if self.traits.trains and not self.running_stages:
            raise ValueError(
                "stages must have at least one epoch between them in which something learns"
            )
        return self


def _has_no_class_token(config: RunConfig) -> bool:
    return config.model.family != "simtrack"


class EvaluateConfig(Config):
    """An evaluation of finished models, which bring their own network with them."""

    data: DataConfig = DataConfig()
    """Sequences to track, in any layout; root null: the embedded ones."""
    cluster: ClusterConfig = ClusterConfig()
    """Placement of `cluster/evaluate.py`: workers, and the CPUs and GPUs of each."""


# DataConfig names SyntheticConfig before it is defined.
DataConfig.model_rebuild()
RunConfig.model_rebuild()
EvaluateConfig.model_rebuild()
