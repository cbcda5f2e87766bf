"""Frames and labels of sequences, and how clips of them are changed at random."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from mtl.config.base import Config, Ratio


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
    synthetic: SyntheticConfig = SyntheticConfig()
    """Size of the embedded data set, used when root is not given."""


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
