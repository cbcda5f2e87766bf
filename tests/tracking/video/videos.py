"""Videos made from rendered sequences, and ways to damage them."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np

from mtl.config.schema import SyntheticConfig
from mtl.data.synthetic import RenderedSequence, render_sequence

FRAMES = 24


@cache
def rendered() -> RenderedSequence:
    return render_sequence(SyntheticConfig(frames=FRAMES, width=128, height=96), "test", 0)


def write_video(
    path: Path, codec: str = "libx264", rate: int = 20, rotation: int = 0, **options: str
) -> Path:
    """The rendered sequence as a video."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.bit_rate = 4_000_000
        stream.width, stream.height = 128, 96
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        if rotation:
            stream.set_display_rotation(rotation)
        for number, image in enumerate(rendered().frames):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_video(path: Path) -> list[tuple[float, np.ndarray]]:
    """Time and picture of every frame."""
    with av.open(str(path)) as container:
        return [(f.time, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]


def packets(path: Path) -> list[tuple[int, int]]:
    """Place and size of every packet, in the order in which they are shown."""
    with av.open(str(path)) as container:
        found = [(p.pts or 0, p.pos, p.size) for p in container.demux(video=0) if p.size]
    return [(position, size) for _, position, size in sorted(found)]


def damage(path: Path, frame: int) -> Path:
    """Overwrite the packet of a frame (from 1) with noise, but not the container's word on it."""
    position, size = packets(path)[frame - 1]
    data = bytearray(path.read_bytes())
    start = 0 if path.suffix == ".mp4" else 8  # other containers keep headers among the packets
    noise = np.random.default_rng(0).integers(0, 256, size - start, dtype=np.uint8)
    data[position + start : position + size] = noise.tobytes()
    path.write_bytes(data)
    return path


class Walker:
    """A tracker that goes right by a pixel a frame and is more and more sure."""

    def __init__(self, conditions: list[dict[str, float]] | None = None) -> None:
        self.seen: list[np.ndarray] = []
        self.box = np.zeros(4)
        self.conditions = conditions

    def init(self, frame: np.ndarray, box_xywh: np.ndarray) -> None:
        self.seen, self.box = [frame], np.array(box_xywh, np.float64)

    def update(self, frame: np.ndarray) -> Any:
        self.seen.append(frame)
        self.box = self.box + np.array([1.0, 0.0, 0.0, 0.0])
        count = len(self.seen) - 2
        said = self.conditions[count] if self.conditions is not None else None
        return SimpleNamespace(box_xywh=self.box, score=0.01 * len(self.seen), conditions=said)
