"""CSRT and KCF: followed for real where an OpenCV has them, refused in one sentence where not.

MTL_OPENCV_CONTRIB names a folder made by `pip install --target DIR
opencv-contrib-python-headless`; without it, and without these trackers in the installed OpenCV, the
tests that need them are skipped.
"""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import pytest

from mtl.errors import ConfigError
from mtl.tracking.baselines import BASELINES, BaselineTracker

HERE = hasattr(cv2, "TrackerCSRT_create") or hasattr(
    getattr(cv2, "legacy", None), "TrackerCSRT_create"
)

FOLLOW = """
import sys
from mtl.tracking.baselines import BaselineTracker
background = np.random.default_rng(0).integers(0, 90, (96, 128, 3), dtype=np.uint8)
patch = np.random.default_rng(1).integers(120, 256, (24, 24, 3), dtype=np.uint8)
def frame(n):
    picture = background.copy()
    picture[30 + n : 54 + n, 20 + 2 * n : 44 + 2 * n] = patch
    return picture
def follow(tracker):
    tracker.init(frame(0), np.array([20.0, 30.0, 24.0, 24.0]))
    return np.array([tracker.update(frame(n)).box_xywh for n in range(1, 9)])
tracker = BaselineTracker(sys.argv[1])
try:
    tracker.update(frame(0))
except RuntimeError as error:
    assert "call init" in str(error)
else:
    raise AssertionError("followed without a target")
first, again = follow(tracker), follow(tracker)
np.testing.assert_array_equal(first, again)
truth = np.array([[20.0 + 2 * n, 30.0 + n, 24, 24] for n in range(1, 9)])
assert np.abs(first - truth)[:, :2].max() < 4.0, first - truth
empty = tracker.update(np.zeros((96, 128, 3), np.uint8)).box_xywh
assert np.isfinite(empty).all() and empty.shape == (4,)
print("followed")
"""


def with_opencv(code: str, *words: str) -> subprocess.CompletedProcess[str]:
    folder = os.environ.get("MTL_OPENCV_CONTRIB")
    if not HERE and not folder:
        pytest.skip("this OpenCV has no CSRT; set MTL_OPENCV_CONTRIB to a folder with one that has")
    paths = [*([folder] if folder else []), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    command = [sys.executable, "-c", code, *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("name", BASELINES)
def test_a_baseline_follows_and_starting_again_forgets(name: str) -> None:
    result = with_opencv(FOLLOW, name)
    assert result.stdout == "followed\n", result.stderr


def test_what_opencv_refuses_is_one_sentence() -> None:
    result = with_opencv(
        "import numpy as np\n"
        "from mtl.errors import DataError\n"
        "from mtl.tracking.baselines import BaselineTracker\n"
        "tracker = BaselineTracker('csrt')\n"
        "try:\n"
        "    tracker.init(np.zeros((40, 40, 3), np.uint8), np.array([500.0, 500.0, 9.0, 9.0]))\n"
        "    print('taken')\n"
        "except DataError as error:\n"
        "    print(error)\n"
    )
    assert result.stdout.startswith("OpenCV's CSRT cannot use the frame or box"), result
    assert result.stdout.count("\n") == 1


@pytest.mark.skipif(HERE, reason="this OpenCV has the trackers")
@pytest.mark.parametrize("name", BASELINES)
def test_an_opencv_without_them_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"no {name.upper()} tracker; pip install opencv-contrib"):
        BaselineTracker(name)  # type: ignore[arg-type]
