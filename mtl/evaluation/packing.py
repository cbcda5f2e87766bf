"""Archives that evaluation servers take, checked before they are written.

GOT-10k: <sequence>/<sequence>_001.txt and <sequence>/<sequence>_time.txt, as its toolkit does it.
TrackingNet: <sequence>.txt, one x,y,w,h a line, without folders.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mtl.errors import DataError
from mtl.evaluation.got10k_files import read_result, sequence_folder
from mtl.files import write_atomically

FIRST_BOX_TOLERANCE = 0.01
"""Pixels; result files of other programs may have fewer decimals than the truth."""


class Expected(NamedTuple):
    """What the results of a sequence must fit."""

    name: str
    num_frames: int
    first_box_xywh: np.ndarray
    """(4,) pixels, the box that was given."""


def pack_got10k(results: Path, tracker: str, expected: Sequence[Expected], out: Path) -> None:
    """Write the archive for the GOT-10k server.

    Args:
        results: folder that holds the trackers' folders.
        tracker: whose results.
        expected: all sequences of the split.
        out: the .zip; replaced if there, untouched if anything is wrong.

    Raises:
        DataError: if sequences are missing, or one's boxes or times are broken, do not fit its
            frames or do not begin with the box that was given; names what.
    """
    _check(results, tracker, expected)
    members = {}
    for name in (one.name for one in expected):
        for file in (f"{name}_001.txt", f"{name}_time.txt"):
            path = sequence_folder(results, tracker, name) / file
            members[f"{name}/{file}"] = path.read_bytes()
    _write(members, out)


def pack_trackingnet(results: Path, tracker: str, expected: Sequence[Expected], out: Path) -> None:
    """Write the archive for the TrackingNet server; arguments and errors as `pack_got10k`."""
    _check(results, tracker, expected)
    _write(
        {
            f"{one.name}.txt": (
                sequence_folder(results, tracker, one.name) / f"{one.name}_001.txt"
            ).read_bytes()
            for one in expected
        },
        out,
    )


def _check(results: Path, tracker: str, expected: Sequence[Expected]) -> None:
    if not expected:
        raise DataError("there is no sequence to pack; give the split that the server evaluates.")
    names = [one.name for one in expected]
    absent = [name for name in names if not _box_file(results, tracker, name).is_file()]
    if absent:
        raise DataError(
            f"{results / tracker} has no results for {len(absent)} of {len(names)} sequences "
            f"({_listed(absent)}); track them before packing."
        )
    for one in expected:
        tracked = read_result(results, tracker, one.name)
        file = _box_file(results, tracker, one.name)
        if len(tracked.boxes_xywh) != one.num_frames:
            raise DataError(
                f"{file} has {len(tracked.boxes_xywh)} boxes for {one.num_frames} frames; track "
                "the sequence again."
            )
        first = np.asarray(one.first_box_xywh, np.float64)
        if np.abs(tracked.boxes_xywh[0] - first).max() > FIRST_BOX_TOLERANCE:
            raise DataError(
                f"{file}, line 1: must be the given box {first.tolist()}, "
                f"got {tracked.boxes_xywh[0].tolist()}; track the sequence again."
            )


def _box_file(results: Path, tracker: str, name: str) -> Path:
    return sequence_folder(results, tracker, name) / f"{name}_001.txt"


def _listed(names: Iterable[str]) -> str:
    first, *more = names
    return f"{first} and {len(more)} more" if more else first


def _write(members: dict[str, bytes], out: Path) -> None:
    """Equal results give equal bytes: the members carry no time of writing."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
    write_atomically(out, buffer.getvalue())
