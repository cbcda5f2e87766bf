"""Classical trackers of OpenCV, in the same interface as ours: what no training gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, get_args

import cv2
import numpy as np

from mtl.errors import ConfigError, DataError

BaselineName = Literal["csrt", "kcf"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)
"""CSRT (Lukezic et al., CVPR 2017) and KCF (Henriques et al., TPAMI 2015)."""


class Located(NamedTuple):
    """Where a baseline sees the target."""

    box_xywh: np.ndarray
    """(4,) float64, pixels of the picture; the box before where the target was lost."""


class BaselineTracker:
    """One of OpenCV's trackers; its boxes have whole pixels.

    Args:
        name: one of `BASELINES`.

    Raises:
        ConfigError: if the installed OpenCV does not have it.
    """

    def __init__(self, name: BaselineName) -> None:
        self.name = name
        self._make = _maker(name)
        self._tracker: Any = None
        self._box_xywh = np.zeros(4)

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        """Start on the first frame (H, W, 3) uint8 RGB with its box (4,) xywh in pixels.

        Raises:
            DataError: if OpenCV refuses the box.
        """
        self._tracker = self._make()
        self._box_xywh = np.array(box_xywh, np.float64)
        x, y, w, h = (round(float(value)) for value in self._box_xywh)
        with _Refusal(self.name):
            self._tracker.init(_bgr(frame), (x, y, max(w, 1), max(h, 1)))

    def update(self, frame: np.ndarray) -> Located:
        """Find the target in the next frame (H, W, 3) uint8 RGB.

        Raises:
            RuntimeError: if no sequence was started.
            DataError: if OpenCV refuses the frame.
        """
        if self._tracker is None:
            raise RuntimeError("the tracker has no target; call init with a frame and a box first.")
        with _Refusal(self.name):
            found, box = self._tracker.update(_bgr(frame))
        if found and min(box[2:]) > 0:
            self._box_xywh = np.array(box, np.float64)
        return Located(self._box_xywh.copy())


def opencv_version() -> str:
    """Whose trackers these are, for the record of an evaluation."""
    return str(cv2.__version__)


class _Refusal:
    """OpenCV's exceptions as one sentence."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, cv2.error):
            raise DataError(
                f"OpenCV's {self.name.upper()} cannot use the frame or box "
                f"({' '.join(str(error.err).split())}); leave the sequence out."
            ) from error


def _bgr(frame: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)


def _maker(name: BaselineName) -> Callable[[], Any]:
    """OpenCV keeps these trackers in its main or its `legacy` namespace, or has none."""
    for place in (cv2, getattr(cv2, "legacy", None)):
        create = getattr(place, f"Tracker{name.upper()}_create", None)
        if create is not None:
            made: Callable[[], Any] = create
            return made
    raise ConfigError(
        f"the installed OpenCV {cv2.__version__} has no {name.upper()} tracker; install the "
        "project as .[baselines], or, where that was done, pip install --force-reinstall "
        "--no-deps opencv-contrib-python-headless, as another OpenCV has replaced its files."
    )
