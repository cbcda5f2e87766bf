from __future__ import annotations

import struct
import zlib

import cv2
import fsspec
import numpy as np
import pytest
from PIL import Image

from mtl.data.images import read_image
from mtl.errors import AwayError, DataError
from tests.data.sequence_files import jpeg, picture, png
from tests.data.stale_files import StaleFiles

LIMIT = 64_000_000


def write(folder, name, data):
    (folder / name).write_bytes(data)
    return str(folder / name)


def huge_png(side: int) -> bytes:
    """A valid black one-bit PNG: a few kilobytes for any number of pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    rows = zlib.compress(bytes(side * (1 + (side + 7) // 8)), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def test_picture_is_rgb_as_opencv_decodes_it(tmp_path):
    data = jpeg(picture(1))
    want = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    got = read_image(write(tmp_path, "a.jpg", data), LIMIT)
    np.testing.assert_array_equal(got, want)
    assert np.abs(got.astype(int) - picture(1)).mean() < 10


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "a.webp", "a.JPEG"])
def test_every_known_kind_is_read(tmp_path, name):
    path = tmp_path / name
    Image.fromarray(picture(2)).save(path)
    assert read_image(str(path), LIMIT).shape == (48, 64, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_pixels_stay_where_they_are_stored(tmp_path, ending, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    plain, turned = tmp_path / f"a.{ending}", tmp_path / f"b.{ending}"
    Image.fromarray(picture(1)).save(plain)
    Image.fromarray(picture(1)).save(turned, exif=exif)
    np.testing.assert_array_equal(read_image(str(turned), LIMIT), read_image(str(plain), LIMIT))


def test_every_depth_and_palette_becomes_eight_bit_rgb(tmp_path):
    levels = np.linspace(0, 255, 48 * 64).astype(np.uint8).reshape(48, 64)
    for name, stored in {
        "grey.png": Image.fromarray(levels),
        "deep.png": Image.fromarray(levels.astype(np.uint16) * 257),
        "palette.png": Image.fromarray(levels).convert("P"),
        "alpha.png": Image.fromarray(levels).convert("RGBA"),
    }.items():
        stored.save(tmp_path / name)
        found = read_image(str(tmp_path / name), LIMIT)
        np.testing.assert_array_equal(found, np.repeat(levels[..., None], 3, axis=-1), name)


def test_picture_is_read_from_any_uri(tmp_path):
    data = jpeg(picture(3))
    with fsspec.open("memory://mtl-images/a.jpg", "wb") as file:
        file.write(data)
    local = read_image(write(tmp_path, "a.jpg", data), LIMIT)
    np.testing.assert_array_equal(read_image("memory://mtl-images/a.jpg", LIMIT), local)
    np.testing.assert_array_equal(read_image((tmp_path / "a.jpg").as_uri(), LIMIT), local)


@pytest.mark.parametrize("share", [0.02, 0.5, 0.9, 0.999])
def test_truncated_jpeg_is_refused(tmp_path, share):
    data = jpeg(picture(4))
    path = write(tmp_path, "a.jpg", data[: int(len(data) * share)])
    with pytest.raises(DataError, match=r"a\.jpg is cut off .*copy it again"):
        read_image(path, LIMIT)


def test_end_of_a_thumbnail_is_not_the_end_of_the_picture(tmp_path):
    data = jpeg(picture(5))
    small = jpeg(picture(6, 8, 8))
    thumbnail = b"\xff\xe1" + struct.pack(">H", len(small) + 2) + small
    whole = data[:2] + thumbnail + data[2:]
    assert read_image(write(tmp_path, "a.jpg", whole), LIMIT).shape == (48, 64, 3)
    with pytest.raises(DataError, match="cut off"):
        read_image(write(tmp_path, "b.jpg", whole[:-100]), LIMIT)


def test_truncated_png_is_refused(tmp_path):
    with pytest.raises(DataError, match="cut off"):
        read_image(write(tmp_path, "a.png", png(picture(7))[:-12]), LIMIT)


def test_png_named_jpg_is_refused(tmp_path):
    path = write(tmp_path, "a.jpg", png(picture(7)))
    with pytest.raises(DataError, match="holds a PNG picture although its name says JPEG"):
        read_image(path, LIMIT)


def test_huge_picture_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    path = write(tmp_path, "a.png", huge_png(20_000))
    monkeypatch.setattr(cv2, "imdecode", lambda *_: pytest.fail("decoded"))
    with pytest.raises(DataError, match="20000 x 20000 pixels, more than"):
        read_image(path, LIMIT)


def test_huge_jpeg_header_is_refused(tmp_path):
    data = jpeg(picture(8))
    frame = data.index(b"\xff\xc0")
    data = data[: frame + 5] + struct.pack(">HH", 20_000, 20_000) + data[frame + 9 :]
    with pytest.raises(DataError, match="more than data"):
        read_image(write(tmp_path, "a.jpg", data), LIMIT)


@pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM123"])
def test_rubbish_is_refused(tmp_path, data):
    with pytest.raises(DataError, match=r"a\.dat"):
        read_image(write(tmp_path, "a.dat", data), LIMIT)


def test_missing_picture_is_named(tmp_path):
    with pytest.raises(DataError, match=r"picture .*none\.jpg cannot be read"):
        read_image(str(tmp_path / "none.jpg"), LIMIT)
    with pytest.raises(DataError, match=r"picture memory://mtl-images/none\.jpg cannot be read"):
        read_image("memory://mtl-images/none.jpg", LIMIT)


def test_scheme_nobody_opens_is_named():
    with pytest.raises(DataError, match="pyarrow or an installed fsspec"):
        read_image("gopher://host/a.jpg", LIMIT)


def test_a_missing_picture_is_an_error_at_once(tmp_path, monkeypatch):
    stale = StaleFiles(monkeypatch, "none of these")
    with pytest.raises(DataError, match=r"a\.jpg cannot be read \(No such file or directory\)"):
        read_image(str(tmp_path / "a.jpg"), LIMIT)
    assert stale.waits == []


def test_a_storage_that_is_away_says_nothing_about_the_picture(tmp_path, monkeypatch):
    path = write(tmp_path, "a.jpg", jpeg(picture(1)))
    StaleFiles(monkeypatch)
    with pytest.raises(AwayError, match=r"Stale file handle: '.*a\.jpg'"):
        read_image(path, LIMIT)
