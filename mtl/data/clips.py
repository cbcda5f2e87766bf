"""Clips as a function of (index, seed, number): nothing else decides what a sample holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mtl.conditions import IGNORE
from mtl.config.schema import AugmentationConfig, DataConfig, ModelConfig, SimTrackConfig
from mtl.data import augment
from mtl.data.class_weights import Acceptance
from mtl.data.draw import Clip, draw_clip, draw_pair
from mtl.data.frame_index import FrameIndex
from mtl.data.images import read_image
from mtl.errors import DataError
from mtl.geometry.crop import Crop, box_in_crop, crop, size_features

MAX_ATTEMPTS = 200
"""Draws after which a sample is given up; with usable data a handful is rare."""

MAX_REJECTIONS = 1_000
"""Weighted draws after which a clip is taken as it comes: bounds the time a sample takes."""

KEPT_BYTES = 256 * 2**20
"""A set whose decoded pictures need no more than this is kept in memory by each process."""


class ClipSampler:
    """Makes the samples of one split, in training or validation.

    Cheap to pickle: it holds the index and the settings; pictures it has decoded stay behind.
    """

    def __init__(
        self,
        index: FrameIndex,
        model: ModelConfig,
        augmentation: AugmentationConfig,
        data: DataConfig,
        seed: int,
        training: bool,
    ) -> None:
        """Find the sequences that clips can be drawn from.

        Args:
            index: frames and labels.
            model: sizes of the crops and number of search frames; its family decides how frames
                are drawn (`mtl.data.draw`), both ways with at most `data.max_gap` - 1 between two.
            augmentation: strengths of the random changes; validation keeps the jitter and the
                clip-wide ones only.
            data: limits on sequences and pictures, what a bad picture does, and whether training
                clips are drawn by the weights of their conditions.
            seed: of the run.
            training: whether samples are for training; validation draws from a stream of its own.

        Raises:
            ConfigError: if clips are to be weighted and the split has no label.
            DataError: if no sequence is long enough and visible enough.
        """
        self.index = index
        self.model = model
        self.augmentation = augmentation
        self.data = data
        self.seed = seed
        self.training = training
        least = 2 * (model.search_frames + 1)
        lengths = np.diff(index.offsets)
        counts = np.add.reduceat(index.visible.astype(np.int64), index.offsets[:-1])
        self.usable = np.flatnonzero((lengths >= data.min_frames) & (counts > least))
        if not len(self.usable):
            raise DataError(
                f"no sequence of {index.split} in {index.root} has at least data.min_frames = "
                f"{data.min_frames} frames and more than {least} visible ones; give longer "
                "sequences or lower data.min_frames or model.search_frames."
            )
        self._pictures = _Pictures(index.num_frames, data.max_pixels)
        weighted = training and data.weighted_sampling
        self._acceptance = Acceptance(index) if weighted else None

    def sample(self, number: int) -> dict[str, np.ndarray]:
        """Sample of this number; the same one in every process and after every restart.

        Keys (T search frames, z and s the sides of the crops):
            template (z, z, 3) and search (T, s, s, 3) uint8; brightness (1 + T,) float32, template
            first; template_box_xywh (4,) and search_boxes_xywh (T, 4) float32 over the crop's side,
            not clamped; conditions (T,) int64, -100 without a label; distribution (T, 10) float32
            over `CONDITIONS`, all 0 where nothing is known; attributes and attribute_mask (T, 9)
            float32 in the order of `ATTRIBUTE_NAMES`, severity and severity_mask (T,) float32,
            masks 1 where known and values 0 where not; size_features (T, 2) float32, log of the
            side of the box that was cropped around over that of the template's, and over 100
            pixels; sample, sequence, skipped (bad pictures on the way) () int64; frames (1 + T,)
            int64 from 0, template first.

        Raises:
            DataError: at a bad picture if those stop the run, or if no attempt gave a clip.
            AwayError: if the storage is away; another clip would not be the sample of this number.
        """
        rng = np.random.default_rng([self.seed, 0 if self.training else 1, number])
        reasons: dict[str, int] = {}
        skipped = 0
        for _ in range(MAX_ATTEMPTS):
            clip = self._draw(rng)
            if clip is None:
                reason = "too few visible frames within the gap"
            else:
                changes = _Changes.draw(rng, self.model.search_frames, self.augmentation)
                try:
                    sample = self._make(clip, changes)
                except _UnreadablePictureError as error:
                    if self.data.on_error == "stop":
                        raise DataError(
                            f"{str(error).rstrip('.')}, or set data.on_error=skip to draw another "
                            "clip."
                        ) from None
                    skipped += 1
                    sample, reason = None, "bad picture"
                except DataError:
                    sample, reason = None, "crop of impossible size"
                else:
                    reason = "crop outside the picture"
                if sample is not None:
                    sample["sample"] = np.int64(number)
                    sample["skipped"] = np.int64(skipped)
                    return sample
            reasons[reason] = reasons.get(reason, 0) + 1
        told = ", ".join(f"{reason}: {count}" for reason, count in reasons.items())
        raise DataError(
            f"sample {number} of {self.index.split} in {self.index.root} came to nothing in "
            f"{MAX_ATTEMPTS} attempts ({told}); check boxes and pictures, or lower the jitter."
        )

    def _draw(self, rng: np.random.Generator) -> Clip | None:
        """A clip of a sequence drawn uniformly; none if that sequence gave none."""
        for _ in range(MAX_REJECTIONS):
            sequence = int(self.usable[rng.integers(len(self.usable))])
            visible = self.index.visible[self.index.rows(sequence)]
            frames, max_gap = self.model.search_frames, self.data.max_gap
            if isinstance(self.model, SimTrackConfig):
                clip = draw_pair(visible, rng, frames, max_gap, sequence)
            else:
                backwards = self.augmentation.reverse_probability
                clip = draw_clip(visible, rng, frames, max_gap, backwards, sequence)
            if clip is None or self._acceptance is None or self._acceptance.accepts(rng, clip):
                break
        return clip

    def _make(self, clip: Clip, changes: _Changes) -> dict[str, np.ndarray] | None:
        """Read, change and crop a clip; none if a crop shows nothing of its picture."""
        start = int(self.index.offsets[clip.sequence])
        frames = (clip.template_frame, *clip.search_frames)
        settings = (self.model.template, *[self.model.search] * len(clip.search_frames))
        crops: list[Crop] = []
        boxes = np.empty((len(frames), 4))
        extracts = np.empty((len(frames), 4))
        for k, (frame, setting) in enumerate(zip(frames, settings, strict=True)):
            image = self._picture(start + frame)
            box = self.index.boxes_xywh[start + frame]
            if changes.mirror:
                box = augment.mirror_box(box, image.shape[1])
                image = augment.mirror_image(image)
            extract = box if k == 0 else changes.jitter(box, k - 1, self.augmentation)
            if changes.gray:
                image = augment.gray(np.ascontiguousarray(image))
            taken = crop(image, extract, setting.factor, setting.size)
            if augment.shows_nothing(taken.padding, self.model.backbone.patch_size):
                return None
            crops.append(taken)
            extracts[k] = extract
            boxes[k] = box_in_crop(box, extract, taken.resize_factor, setting.size)
        images = [taken.image for taken in crops]
        brightness = np.ones(len(frames), dtype=np.float32)
        if self.training:
            brightness = changes.brightness
            for k in np.flatnonzero(changes.mirror_frame).tolist():
                images[k] = augment.mirror_image(images[k])
                boxes[k] = augment.mirror_crop_box(boxes[k])
        rows = [start + frame for frame in clip.search_frames]
        conditions = self.index.conditions[rows].astype(np.int64)
        attributes, severity = self.index.attributes[rows], self.index.severities[rows]
        unknown, unrated = np.isnan(attributes), np.isnan(severity)
        return {
            "template": np.ascontiguousarray(images[0]),
            "search": np.stack(images[1:]),
            "brightness": brightness,
            "template_box_xywh": boxes[0].astype(np.float32),
            "search_boxes_xywh": boxes[1:].astype(np.float32),
            "conditions": np.where(conditions < 0, IGNORE, conditions),
            "distribution": self.index.distributions[rows],
            "attributes": np.where(unknown, np.float32(0), attributes),
            "attribute_mask": (~unknown).astype(np.float32),
            "severity": np.where(unrated, np.float32(0), severity),
            "severity_mask": (~unrated).astype(np.float32),
            "size_features": size_features(extracts[1:], extracts[0]).astype(np.float32),
            "sequence": np.int64(clip.sequence),
            "frames": np.array(frames, dtype=np.int64),
        }

    def _picture(self, row: int) -> np.ndarray:
        try:
            return self._pictures.get(self.index.frame_uri(row))
        except DataError as error:
            raise _UnreadablePictureError(str(error)) from None


class _Pictures:
    """Decoded pictures; those of a set that fits into memory as a whole are kept.

    Of a larger set a random draw would hardly ever find a kept picture again.
    """

    def __init__(self, num_frames: int, max_pixels: int) -> None:
        self.num_frames = num_frames
        self.max_pixels = max_pixels
        self._kept: dict[str, np.ndarray] = {}
        self._bytes = 0

    def get(self, uri: str) -> np.ndarray:
        image = self._kept.get(uri)
        if image is None:
            image = read_image(uri, self.max_pixels)
            fits = image.nbytes * self.num_frames <= KEPT_BYTES
            if fits and self._bytes + image.nbytes <= KEPT_BYTES:
                self._bytes += image.nbytes
                self._kept[uri] = image
        return image

    def __reduce__(self) -> tuple[object, ...]:
        return _Pictures, (self.num_frames, self.max_pixels)


class _UnreadablePictureError(DataError):
    """A picture of a clip is bad."""


@dataclass(frozen=True)
class _Changes:
    """All random numbers of a clip's augmentation, drawn before any picture is read."""

    gray: bool
    mirror: bool
    normals: np.ndarray
    uniforms: np.ndarray
    brightness: np.ndarray
    mirror_frame: np.ndarray

    @classmethod
    def draw(
        cls, rng: np.random.Generator, search_frames: int, config: AugmentationConfig
    ) -> _Changes:
        return cls(
            gray=bool(rng.random() < config.gray_probability),
            mirror=bool(rng.random() < config.flip_probability),
            normals=rng.standard_normal((search_frames, 2)),
            uniforms=rng.random((search_frames, 2)),
            brightness=rng.uniform(
                1 - config.brightness, 1 + config.brightness, 1 + search_frames
            ).astype(np.float32),
            mirror_frame=rng.random(1 + search_frames) < config.frame_flip_probability,
        )

    def jitter(self, box_xywh: np.ndarray, k: int, config: AugmentationConfig) -> np.ndarray:
        return augment.jitter_box(
            box_xywh,
            self.normals[k],
            self.uniforms[k],
            config.scale_jitter,
            config.center_jitter,
        )
