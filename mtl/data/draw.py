"""Which frames of a sequence are trained on together: the two published ways to draw them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    shown = _Visible(visible)
    gap = max_gap
    for _ in range(_MAX_REDRAWS):
        if gap < 1:
            return None
        reach = min(length, gap)
        frames: list[int] = []
        for k in range(search_frames + 1):
            found = (
                shown.draw(rng, 0, length - reach)
                if k == 0
                else shown.draw(
                    rng, frames[-1] + 1, min(frames[-1] + reach, length - (search_frames - k))
                )
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


def draw_pair(
    visible: np.ndarray,
    rng: np.random.Generator,
    search_frames: int,
    max_gap: int,
    sequence: int = 0,
) -> Clip | None:
    """Draw a template and search frames after it ("causal", SimTrack spec 7.1).

    t in [0, L - 1); every search frame, independently, in [t + 1, min(t + J + g, L)) with g = 0 at
    first. If that holds no visible frame, g grows by 5 and all are drawn again. Published is one
    search frame and J = 200: it follows the template by 1 to 199 frames. The clip never runs
    backwards.

    Args:
        visible: (L,) bool.
        rng: source of all draws.
        search_frames: T, at least 1.
        max_gap: J.
        sequence: number to put into the clip.

    Returns:
        A clip, or none if the sequence has to be given up.
    """
    length = len(visible)
    shown = _Visible(visible)
    gap = max_gap
    for _ in range(_MAX_REDRAWS):
        template = shown.draw(rng, 0, length - 1)
        if template is None:
            return None
        found = [
            shown.draw(rng, template + 1, min(template + gap, length)) for _ in range(search_frames)
        ]
        frames = tuple(frame for frame in found if frame is not None)
        if len(frames) == search_frames:
            return Clip(sequence, template, frames, reversed=False)
        gap += 5
    return None


class _Visible:
    """The visible frames of a sequence, to be drawn from ranges of it."""

    def __init__(self, visible: np.ndarray) -> None:
        self._rows = np.flatnonzero(visible)
        self._before = np.concatenate([[0], np.cumsum(visible)]).tolist()  # before each frame

    def draw(self, rng: np.random.Generator, low: int, high: int) -> int | None:
        """One visible frame in [low, high), none if there is none."""
        last = len(self._before) - 1
        first, end = (self._before[max(0, min(at, last))] for at in (low, high))
        return int(self._rows[rng.integers(first, end)]) if end > first else None
