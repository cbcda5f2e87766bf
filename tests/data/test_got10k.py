from __future__ import annotations

import numpy as np
import pytest

from mtl.data.bad_items import BadItems
from mtl.data.got10k import fetch_sequence, natural_key, parse_sequence, sequence_names
from mtl.data.storage import list_folder
from mtl.errors import DataError
from tests.data.sequence_files import box, write_sequence


def parse(folder, on_error="stop", first_box_only=False):
    bad = BadItems(on_error)
    return parse_sequence(fetch_sequence(str(folder)), bad, first_box_only), bad.counts


def lines(*replaced: tuple[int, str], length: int = 6) -> str:
    rows = [",".join(map(str, box(row))) for row in range(length)]
    for row, text in replaced:
        rows[row] = text
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("separator", [",", "\t", " ", ", "])
def test_boxes_are_read_whatever_stands_between(tmp_path, separator):
    truth, counts = parse(write_sequence(tmp_path / "a", 5, separator=separator))
    np.testing.assert_array_equal(truth.boxes_xywh, [box(row) for row in range(5)])
    assert truth.visible.all()
    assert truth.pictures[0] == "00000001.jpg"
    assert counts == {}


def test_windows_line_ends_and_a_missing_last_one_are_read(tmp_path):
    folder = write_sequence(tmp_path / "a", 6)
    (folder / "groundtruth.txt").write_bytes(lines().rstrip().replace("\n", "\r\n").encode())
    assert len(parse(folder)[0].boxes_xywh) == 6


def test_visible_means_not_absent_covered_less_than_wholly_and_boxed(tmp_path):
    folder = write_sequence(tmp_path / "a", 6, lines((1, "0,0,0,0"), (2, "nan,nan,nan,nan")))
    (folder / "absence.label").write_text("0\n1\n1\n0\n0\n0\n")
    (folder / "cover.label").write_text("8\n0\n0\n0\n1\n8\n")
    (folder / "meta_info.ini").write_text("[METAINFO]\nurl: none\n")
    (folder / "cut_by_image.label").write_text("0\n" * 6)
    truth, counts = parse(folder)
    assert truth.visible.tolist() == [True, False, False, False, True, True]
    assert truth.boxes_xywh[2].tolist() == [0, 0, 0, 0]
    assert counts == {}


@pytest.mark.parametrize(
    ("text", "reason", "message"),
    [
        ("nan,1,5,5", "box not finite", "got nan, 1, 5, 5"),
        ("1,1,inf,5", "box not finite", "got 1, 1, inf, 5"),
        ("1,1,0,5", "box without size", "got 1, 1, 0, 5"),
        ("0,0,0,0", "box without size", "got 0, 0, 0, 0"),
        ("1,1,5,-2", "box without size", "got 1, 1, 5, -2"),
    ],
)
def test_box_nobody_declared_absent_is_named_or_counted(tmp_path, text, reason, message):
    folder = write_sequence(tmp_path / "a", 6, lines((3, text)))
    with pytest.raises(
        DataError, match=rf"groundtruth\.txt, line 4: .*{message}; correct it or mark"
    ):
        parse(folder)
    truth, counts = parse(folder, "skip")
    assert truth.visible.tolist() == [True, True, True, False, True, True]
    assert np.isfinite(truth.boxes_xywh).all()
    assert counts == {reason: 1}


@pytest.mark.parametrize("text", ["1,2,3", "1,2,3,4,5", "a,b,c,d", "", "1;2;3;4"])
def test_unparsable_box_line_is_named(tmp_path, text):
    folder = write_sequence(tmp_path / "a", 6, lines((2, text)))
    with pytest.raises(DataError, match=r"groundtruth\.txt, line 3: must be 4 numbers"):
        parse(folder)
    assert parse(folder, "skip") == (None, {"line that cannot be parsed": 1})


def test_lines_of_three_and_five_numbers_do_not_make_up_for_each_other(tmp_path):
    folder = write_sequence(tmp_path / "a", 6, lines((2, "1,2,3"), (3, "4,5,6,7,8")))
    with pytest.raises(DataError, match="line 3"):
        parse(folder)


@pytest.mark.parametrize(("length", "kind"), [(5, "fewer"), (7, "more"), (0, "fewer")])
def test_number_of_boxes_must_be_that_of_frames(tmp_path, length, kind):
    folder = write_sequence(tmp_path / "a", 6, lines(length=length) if length else "")
    with pytest.raises(DataError, match=f"has {length} boxes for 6 pictures"):
        parse(folder)
    assert parse(folder, "skip") == (None, {f"{kind} boxes than frames": 1})


def test_single_box_is_enough_where_only_the_first_is_published(tmp_path):
    folder = write_sequence(tmp_path / "a", 6, "1,2,3,4\n")
    with pytest.raises(DataError, match="fewer boxes"):
        parse(folder)
    truth, _ = parse(folder, first_box_only=True)
    assert truth.visible.tolist() == [True] + [False] * 5
    assert truth.boxes_xywh[0].tolist() == [1, 2, 3, 4]


def test_missing_boxes_or_pictures_are_named(tmp_path):
    folder = write_sequence(tmp_path / "a", 6)
    (folder / "groundtruth.txt").unlink()
    with pytest.raises(DataError, match=r"/a has no groundtruth\.txt; add"):
        parse(folder)
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="/b holds no pictures"):
        parse(tmp_path / "b")


@pytest.mark.parametrize("text", ["0\n0\n", "0\nx\n0\n0\n0\n0\n"])
def test_label_files_must_fit(tmp_path, text):
    folder = write_sequence(tmp_path / "a", 6)
    (folder / "absence.label").write_text(text)
    with pytest.raises(DataError, match=r"absence\.label"):
        parse(folder)
    assert parse(folder, "skip")[0] is None


def test_frames_follow_their_numbers_whatever_their_length(tmp_path):
    folder = write_sequence(tmp_path / "a", 12)
    for number in range(1, 13):
        (folder / f"{number:08d}.jpg").rename(folder / f"img{number}.jpg")
    assert parse(folder)[0].pictures == [f"img{number}.jpg" for number in range(1, 13)]


def test_link_that_leads_nowhere_is_no_sequence(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").symlink_to(tmp_path / "nowhere")
    assert names(tmp_path)[0] == ["a"]


def names(folder, on_error="stop"):
    bad = BadItems(on_error)
    return sequence_names(str(folder), list_folder(str(folder)), bad), bad.counts


def test_without_list_every_folder_counts_in_natural_order(tmp_path):
    for name in ("10-Boat", "2-Boat", ".hidden", "1-Ship"):
        (tmp_path / name).mkdir()
    assert names(tmp_path)[0] == ["1-Ship", "2-Boat", "10-Boat"]


def test_list_gives_names_and_order(tmp_path):
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
    (tmp_path / "list.txt").write_text("c\na\n")
    assert names(tmp_path) == (["c", "a"], {})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\nghost\n", r"list\.txt, line 2: there is no sequence folder 'ghost'"),
        ("a\n../b\n", r"list\.txt, line 2: '\.\./b' is not the name of a folder"),
        ("a\n/etc\n", r"list\.txt, line 2: '/etc' is not the name of a folder"),
        ("a\na\n", r"list\.txt, line 2: 'a' stands in the list twice"),
    ],
)
def test_bad_list_line_is_named_or_counted(tmp_path, text, message):
    (tmp_path / "a").mkdir()
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(DataError, match=message):
        names(tmp_path)
    kept, counts = names(tmp_path, "skip")
    assert kept == ["a"]
    assert sum(counts.values()) == 1


def test_numbers_in_names_sort_as_numbers():
    assert sorted(["f10.jpg", "f9.jpg", "f009.jpg"], key=natural_key) == [
        "f009.jpg",
        "f9.jpg",
        "f10.jpg",
    ]
