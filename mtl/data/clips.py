"""Clips as a function of (index, seed, number): nothing else decides what a sample holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mtl.conditions import IGNORE
from mtl.config.schema import AugmentationConfig, DataConfig, ModelConfig
from mtl.data import augment
from mtl.data.frame_index import FrameIndex
from mtl.data.images import read_image
from mtl.errors import DataError
from mtl.geometry.crop import Crop, box_in_crop, crop, size_features

MAX_ATTEMPTS = 200
"""Draws after which a sample is given up; with usable data a handful is rare."""

KEPT_BYTES = 256 * 2**20
"""A set whose decoded pictures need no more than this is kept in memory by each process."""

_MAX_REDRAWS = 1_000


@dataclass(frozen=True)
class Clip:
    """Frames of a sequence that are trained on together.

    Attributes:
        sequence: number in the index.
        template_frame: number in the sequence, from 0.
        search_frames: numbers in the sequence, in the order in which they are tracked.
        reversed: whether the clip runs backwards.
    """

    sequence: int
    template_frame: int
    search_frames: tuple[int, ...]
    reversed: bool


def draw_clip(
    visible: np.ndarray,
    rng: np.random.Generator,
    search_frames: int,
    max_gap: int,
    reverse_probability: float = 0.5,
    sequence: int = 0,
) -> Clip | None:
    """Draw visible frames with random gaps (HIPTrack spec 10.1, for any number of search frames).

    With J' = min(L, J): s in [0, L - J'), f_k in [f_(k-1) + 1, min(f_(k-1) + J', L - (T - k))). If
    s, f_1 or f_2 has no candidate, J falls by 5 (by 1 from 5 on) and all is drawn again; a later
    one is drawn again with the same J; the last one gives the sequence up.

    Args:
        visible: (L,) bool.
        rng: source of all draws.
        search_frames: T, at least 1.
        max_gap: J at the start.
        reverse_probability: of a clip that runs backwards.
        sequence: number to put into the clip.

    Returns:
        A clip, or none if the sequence has to be given up.
    """
    length = len(visible)
    rows = np.flatnonzero(visible)
    before = np.concatenate([[0], np.cumsum(visible)]).tolist()  # visible frames before a frame

    def draw(low: int, high: int) -> int | None:
        first, last = before[max(0, min(low, length))], before[max(0, min(high, length))]
        return int(rows[rng.integers(first, last)]) if last > first else None

    gap = max_gap
    for _ in range(_MAX_REDRAWS):
        if gap < 1:
            return None
        reach = min(length, gap)
        frames: list[int] = []
        for k in range(search_frames + 1):
            found = (
                draw(0, length - reach)
                if k == 0
                else draw(frames[-1] + 1, min(frames[-1] + reach, length - (search_frames - k)))
            )
            if found is None:
                if k == search_frames:
                    return None
                if k <= 2:
                    gap -= 5 if gap > 5 else 1
                break
            frames.append(found)
        else:
            backwards = bool(rng.random() < reverse_probability)
            if backwards:
                frames.reverse()
            return Clip(sequence, frames[0], tuple(frames[1:]), backwards)
    return None


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
            model: sizes of the crops and number of search frames.
            augmentation: strengths of the random changes; validation keeps the jitter and the
                clip-wide ones only.
            data: limits on sequences and pictures, and what a bad picture does.
            seed: of the run.
            training: whether samples are for training; validation draws from a stream of its own.

        Raises:
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

    def sample(self, number: int) -> dict[str, np.ndarray]:
        """Sample of this number; the same one in every process and after every restart.

        Keys (T search frames, z and s the sides of the crops):
            template (z, z, 3) and search (T, s, s, 3) uint8; brightness (1 + T,) float32, template
            first; template_box_xywh (4,) and search_boxes_xywh (T, 4) float32 over the crop's side,
            not clamped; conditions (T,) int64, -100 without a label; size_features (T, 2) float32,
            log of the side of the box that was cropped around over that of the template's, and
            over 100 pixels; sample, sequence, skipped (bad pictures on the way) () int64; frames
            (1 + T,) int64 from 0, template first.

        Raises:
            DataError: at a bad picture if those stop the run, or if no attempt gave a clip.
        """
        rng = np.random.default_rng([self.seed, 0 if self.training else 1, number])
        reasons: dict[str, int] = {}
        skipped = 0
        for _ in range(MAX_ATTEMPTS):
            sequence = int(self.usable[rng.integers(len(self.usable))])
            visible = self.index.visible[self.index.rows(sequence)]
            clip = draw_clip(
                visible,
                rng,
                self.model.search_frames,
                self.data.max_gap,
                self.augmentation.reverse_probability,
                sequence,
            )
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
        conditions = self.index.conditions[[start + frame for frame in frames[1:]]].astype(np.int64)
        return {
            "template": np.ascontiguousarray(images[0]),
            "search": np.stack(images[1:]),
            "brightness": brightness,
            "template_box_xywh": boxes[0].astype(np.float32),
            "search_boxes_xywh": boxes[1:].astype(np.float32),
            "conditions": np.where(conditions < 0, IGNORE, conditions),
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


def collate(samples: Sequence[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Stack samples into a batch: every array gets a leading axis."""
    return {key: np.stack([sample[key] for sample in samples]) for key in samples[0]}


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
