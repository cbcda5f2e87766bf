"""Pictures from disk or network, checked before and after decoding."""

from __future__ import annotations

import io
import os

import cv2
import numpy as np
from PIL import Image

from mtl.data.storage import read_bytes
from mtl.errors import DataError
from mtl.hiccups import words_of

SUFFIXES: dict[str, str] = {
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".png": "PNG",
    ".bmp": "BMP",
    ".webp": "WEBP",
}
"""File name endings that count as a picture and what they promise."""
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
"""Eight-bit colour, not turned."""


def read_image(uri: str, max_pixels: int) -> np.ndarray:
    """Read and decode a picture.

    OpenCV fills the missing part of a truncated JPEG with grey and says nothing, so completeness is
    checked on the bytes; the size is read from the header before anything is decoded. Pixels stay
    where they are stored: boxes and masks belong to those, not to the view that a camera noted
    (EXIF orientation).

    Args:
        uri: local path or URI.
        max_pixels: largest number of pixels that is decoded.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        DataError: if the file is missing, cut off, too large, undecodable, or not of the kind that
            its name says.
        AwayError: if the storage is away: nothing is known of the picture.
    """
    try:
        data = read_bytes(uri)
    except OSError as error:
        reason = error.strerror or words_of(error)
        raise DataError(
            f"picture {uri} cannot be read ({reason}); restore it or take it out of the set's list."
        ) from None
    kind = _kind(data)
    if kind is None:
        raise DataError(f"{uri} is not a picture that can be decoded; replace it.")
    promised = SUFFIXES.get(os.path.splitext(uri.partition("?")[0])[1].lower())
    if promised is not None and kind != promised:
        raise DataError(
            f"{uri} holds a {kind} picture although its name says {promised}; rename or convert it."
        )
    width, height = _jpeg_size(data, uri) if kind == "JPEG" else _header_size(data, uri)
    if width * height > max_pixels:
        raise DataError(
            f"{uri} has {width} x {height} pixels, more than data.max_pixels = {max_pixels}; "
            "shrink it or raise the limit."
        )
    if kind == "PNG" and data.rfind(b"IEND") < 0:
        raise DataError(f"{uri} is cut off (a PNG without its end); copy it again.")
    try:
        image = cv2.imdecode(np.frombuffer(data, dtype=np.uint8), _AS_STORED)
    except cv2.error as error:
        raise DataError(f"{uri} cannot be decoded ({error.err}); replace it.") from None
    if image is None:
        raise DataError(f"{uri} is not a picture that can be decoded; replace it.")
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _kind(data: bytes) -> str | None:
    """Format by the first bytes."""
    if data[:3] == b"\xff\xd8\xff":
        return "JPEG"
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        return "PNG"
    if data[:2] == b"BM":
        return "BMP"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[:4] in (b"II*\0", b"MM\0*"):
        return "TIFF"
    return "GIF" if data[:4] == b"GIF8" else None


def _jpeg_size(data: bytes, uri: str) -> tuple[int, int]:
    """Width and height of a complete JPEG: its segments up to the first scan, then an end marker.

    Within a scan 0xFF is always followed by a stuffed zero, so FF D9 after it is the end; a
    thumbnail's own end lies inside a segment before it and is stepped over.
    """
    size: tuple[int, int] | None = None
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # fill byte
            position += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height = int.from_bytes(data[position + 5 : position + 7], "big")
            size = int.from_bytes(data[position + 7 : position + 9], "big"), height
        if marker == 0xDA:
            if size is None or data.rfind(b"\xff\xd9", position) < 0:
                break
            return size
        position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    raise DataError(f"{uri} is cut off (a JPEG without its end); copy it again.")


def _header_size(data: bytes, uri: str) -> tuple[int, int]:
    if data[:4] == b"\x89PNG" and data[12:16] == b"IHDR":
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    try:
        with Image.open(io.BytesIO(data)) as picture:
            width, height = picture.size
            return int(width), int(height)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{uri} is not a picture that can be decoded ({' '.join(str(error).split())}); "
            "replace it."
        ) from None
