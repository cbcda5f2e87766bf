"""Bad data in an evaluation: named in one sentence, or left out and counted; never averaged."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mtl.__main__ import main
from tests.benchmark.small_evaluation import write_model, write_test_split
from tests.data.sequence_files import box, write_sequence

LENGTH = 8


def boxes(**changed: str) -> str:
    """Lines of a box file; `line3="..."` takes the place of the third."""
    lines = [",".join(map(str, box(row))) for row in range(LENGTH)]
    for name, text in changed.items():
        lines[int(name.removeprefix("line")) - 1] = text
    return "\n".join(lines) + "\n"


def box_file(text: str) -> Callable[[Path], None]:
    def spoil(sequence: Path) -> None:
        (sequence / "groundtruth.txt").write_text(text)

    return spoil


def cut_picture(sequence: Path) -> None:
    file = sequence / "00000004.jpg"
    file.write_bytes(file.read_bytes()[:200])


def no_picture(sequence: Path) -> None:
    (sequence / "00000004.jpg").write_text("not a picture")


def one_frame(sequence: Path) -> None:
    for number in range(2, LENGTH + 1):
        (sequence / f"{number:08d}.jpg").unlink()
    (sequence / "groundtruth.txt").write_text(boxes().splitlines()[0] + "\n")


STOPPED = {
    "first box outside": (
        box_file(boxes(line1="500,12,16,12")),
        r"beta: the true box of frame 1 must touch its picture of 64x48 pixels, got \[500",
    ),
    "later box outside": (
        box_file(boxes(line5="10,-90,16,12")),
        "beta: the true box of frame 5 must touch its picture of 64x48 pixels",
    ),
    "first box of no size": (
        box_file(boxes(line1="10,12,0,12")),
        r"beta/groundtruth\.txt, line 1",
    ),
    "cut picture": (cut_picture, r"beta/00000004\.jpg is cut off"),
    "no picture": (no_picture, r"beta/00000004\.jpg"),
    "fewer boxes": (
        box_file("".join(boxes().splitlines(keepends=True)[:5])),
        r"beta/groundtruth\.txt has 5 boxes for 8 pictures",
    ),
    "more boxes": (box_file(boxes() * 2), r"beta/groundtruth\.txt has 16 boxes for 8 pictures"),
}
"""What is wrong with the sequence beta -> how it is made so, what the command says."""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(write_model(tmp_path_factory.mktemp("model") / "tiny"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_test_split(tmp_path / "data", LENGTH)


def evaluate(model: str, root: Path, out: Path, *words: str) -> dict[str, Any]:
    command = ["evaluate", model, f"data.root={root}", "--out", str(out), "--conditions", "labels"]
    assert main([*command, *words]) == 0
    numbers: dict[str, Any] = json.loads((out / "evaluation.json").read_text())
    return numbers


@pytest.fixture(scope="module")
def good_alone(model: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """Metrics on alpha and gamma, from a data set that has nothing else."""
    place = tmp_path_factory.mktemp("good")
    for number, name in ((0, "alpha"), (2, "gamma")):
        write_sequence(place / "data" / "test" / name, LENGTH, picture_seed=number)
    return metrics(evaluate(model, place / "data", place / "out"))


def metrics(numbers: dict[str, Any]) -> dict[str, float]:
    """What a tracker's boxes are worth; speeds differ whenever they are measured."""
    timed = ("fps", "speed_got10k", "sequences_left_out")
    return {k: v for k, v in numbers["trackers"]["tiny"]["metrics"].items() if k not in timed}


@pytest.mark.parametrize("what", STOPPED)
def test_it_stops_in_one_sentence(
    model: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    spoil, message = STOPPED[what]
    spoil(root / "test" / "beta")
    words = ["evaluate", model, f"data.root={root}", "--conditions", "labels", "--out"]
    assert main([*words, str(tmp_path / "stopped")]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(message, error), error


def test_on_request_each_is_left_out_of_every_number(
    model: str, root: Path, tmp_path: Path, good_alone: dict[str, float]
) -> None:
    shutil.rmtree(root / "test" / "beta")
    for what, (spoil, _) in STOPPED.items():
        spoil(write_sequence(root / "test" / what, LENGTH, picture_seed=1))
    numbers = evaluate(model, root, tmp_path / "skipped", "data.on_error=skip")
    data = numbers["data"]
    unread = {"fewer boxes", "more boxes"}
    assert data["left_out"].keys() == STOPPED.keys() - unread
    # The box of no size is left out by the reader, too, and its sequence for want of a start.
    assert sum(data["skipped"].values()) == len(unread) + 1
    assert data["sequences"] == 2
    assert metrics(numbers) == good_alone


def test_a_later_box_of_no_size_takes_its_frame_out(
    model: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    box_file(boxes(line5="14,12,0,12"))(root / "test" / "beta")
    words = ["evaluate", model, f"data.root={root}", "--out", str(tmp_path / "stopped")]
    assert main(words) == 1
    assert "beta/groundtruth.txt, line 5" in capsys.readouterr().err
    numbers = evaluate(model, root, tmp_path / "skipped", "data.on_error=skip")
    assert sum(numbers["data"]["skipped"].values()) == 1
    assert (numbers["data"]["sequences"], numbers["data"]["frames"]) == (3, 3 * 7 - 1)


def test_a_sequence_of_one_frame_is_left_out_by_name(
    model: str, root: Path, tmp_path: Path, good_alone: dict[str, float]
) -> None:
    one_frame(root / "test" / "beta")
    numbers = evaluate(model, root, tmp_path / "out")
    assert list(numbers["data"]["left_out"]) == ["beta"]
    assert metrics(numbers) == good_alone


def test_result_files_with_missing_lines_are_named_and_made_again(
    model: str, root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = evaluate(model, root, tmp_path / "out")
    for name, file in (("beta", "beta_001.txt"), ("gamma", "gamma_time.txt")):
        path = tmp_path / "out" / "results" / "tiny" / name / file
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:5]))
    capsys.readouterr()
    after = evaluate(model, root, tmp_path / "out")
    printed = capsys.readouterr().out
    for name, file in (("beta", "beta_001.txt"), ("gamma", "gamma_time.txt")):
        assert re.search(rf"tracked again: {name}: .*{file}", printed), printed
    assert metrics(after) == metrics(before)
