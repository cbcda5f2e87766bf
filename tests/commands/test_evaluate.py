"""`mtl evaluate` as a user runs it, in this process."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtl.__main__ import main
from mtl.data.images import read_image
from tests.benchmark.small_evaluation import write_model, write_test_split
from tests.data.sequence_files import flag_record, write_records, write_sequence


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, and a test split of 3 sequences of which every second frame has a label."""
    place = tmp_path_factory.mktemp("place")
    for seed, name in enumerate(("one", "two")):
        write_model(place / name, seed)
    root = write_test_split(place / "data")
    for name in ("alpha", "beta", "gamma"):
        records = [
            flag_record(name, row, vlm=("occlusion",) if row < 4 else ()) for row in range(8)
        ]
        write_records(root / "test_maritime_env_clf_annts" / name / f"{name}.jsonl", records)
    return place


def evaluate(place: Path, *words: str) -> int:
    return main(["evaluate", *words, f"data.root={place / 'data'}"])


def failed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    assert main(["evaluate", *words]) == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    return error


def test_two_models_are_compared_by_condition(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    # Words and options in any order.
    assert evaluate(place, str(place / "one"), "--out", str(out), str(place / "two")) == 0
    printed = capsys.readouterr().out
    assert "AO by labelled condition" in printed
    assert "two (B) against one (A)" in printed
    assert "occlusion" in printed
    assert re.search(r"condition heads\n.*\n tracker +labelled frames +accuracy +balanced", printed)
    numbers = json.loads((out / "evaluation.json").read_text())
    assert list(numbers["trackers"]) == ["one", "two"]
    one = numbers["trackers"]["one"]
    # Frames 2 to 4 of three sequences are labelled as occluded, 5 to 8 as normal.
    assert {k: v["frames"] for k, v in one["by_label"].items()} == {"occlusion": 9, "normal": 12}
    assert sum(value["frames"] for value in one["by_prediction"].values()) == 21
    assert one["head"]["frames"] == 21
    assert sum(map(sum, one["head"]["confusion"])) == 21
    (comparison,) = numbers["comparisons"]
    assert set(comparison["by_condition"]) == {"occlusion", "normal"}
    assert comparison["conditions_of"] == "labels"
    files = {path.name for path in (out / "results" / "one" / "alpha").iterdir()}
    assert files == {"alpha_001.txt", "alpha_time.txt", "alpha_conditions.csv"}
    page = (out / "report.html").read_text()
    for title in ("Curves", "Comparison", "By condition", "Condition heads", "Tracked frames"):
        assert f"<h2>{title}</h2>" in page
    assert "(chance 0.500)" in page  # balanced over the two conditions that occur
    assert {path.name for path in (out / "plots").iterdir()} >= {
        "success.png",
        "conditions_labels.png",
        "conditions_predicted.png",
    }


@pytest.fixture(scope="module")
def labels_only(place: Path) -> Path:
    """An evaluation of the first model; what goes on with it takes a copy."""
    out = place / "labels_only"
    assert evaluate(place, str(place / "one"), "--out", str(out), "--conditions", "labels") == 0
    return out


def test_conditions_of_labels_leave_the_heads_alone(labels_only: Path) -> None:
    out = labels_only
    one = json.loads((out / "evaluation.json").read_text())["trackers"]["one"]
    assert one["by_label"]
    assert not one["by_prediction"]
    assert "head" not in one
    assert not list(out.rglob("*_conditions.csv"))


def test_conditions_of_predictions_need_no_labels(place: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["--out", str(out), "--conditions", "predicted"]
    assert evaluate(place, str(place / "one"), str(place / "two"), *words) == 0
    numbers = json.loads((out / "evaluation.json").read_text())
    assert not numbers["trackers"]["one"]["by_label"]
    assert numbers["trackers"]["one"]["by_prediction"]
    assert numbers["comparisons"][0]["conditions_of"] == "one"


def test_the_same_command_again_tracks_nothing(
    place: Path, labels_only: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(labels_only, tmp_path / "out")
    words = [str(place / "one"), "--out", str(tmp_path / "out"), "--conditions", "labels"]
    before = (labels_only / "per_sequence.csv").read_text()
    assert evaluate(place, *words) == 0
    assert "3 of 3 sequences are done already" in capsys.readouterr().out
    assert (tmp_path / "out" / "per_sequence.csv").read_text() == before


def test_stopped_by_hand_it_says_so_and_goes_on_later(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupted_at_beta(uri: str, max_pixels: int) -> np.ndarray:
        if "/beta/" in uri:
            raise KeyboardInterrupt
        return read_image(uri, max_pixels)

    words = [str(place / "one"), "--out", str(tmp_path / "out"), "--conditions", "labels"]
    with monkeypatch.context() as patched:
        patched.setattr("mtl.benchmark.following.read_image", interrupted_at_beta)
        assert evaluate(place, *words) == 130
    assert capsys.readouterr().err == "stopped.\n"
    assert evaluate(place, *words) == 0
    assert "1 of 3 sequences are done already; going on" in capsys.readouterr().out


def test_an_archive_is_made_of_whole_results(
    place: Path, labels_only: Path, tmp_path: Path
) -> None:
    out = shutil.copytree(labels_only, tmp_path / "out")
    words = [str(place / "one"), "--out", str(out), "--pack", "got10k", "--conditions", "labels"]
    assert evaluate(place, *words) == 0
    members = zipfile.ZipFile(out / "one_got10k.zip").namelist()
    assert members[:2] == ["alpha/alpha_001.txt", "alpha/alpha_time.txt"]
    assert len(members) == 6


def test_fewer_sequences_then_all(place: Path, tmp_path: Path) -> None:
    words = [str(place / "one"), "--out", str(tmp_path / "out"), "--conditions", "labels"]
    assert evaluate(place, *words, "--max-sequences", "1") == 0
    assert evaluate(place, *words) == 0
    numbers = json.loads((tmp_path / "out" / "evaluation.json").read_text())
    assert numbers["data"]["sequences"] == 3


def test_without_data_the_embedded_sequences_are_tracked(tmp_path: Path) -> None:
    small = [
        f"data.synthetic.{word}"
        for word in ("train_sequences=1", "val_sequences=2", "frames=4", "width=96", "height=72")
    ]
    model = write_model(tmp_path / "model", 0, *small)
    out = tmp_path / "out"
    words = ["evaluate", str(model), "--out", str(out), "--conditions", "labels"]
    assert main(words) == 0
    numbers = json.loads((out / "evaluation.json").read_text())
    assert numbers["data"]["root"] == "embedded sequences"
    assert numbers["data"]["split"] == "val"
    assert numbers["data"]["sequences"] == 2


def test_another_model_in_the_same_folder_is_refused(
    place: Path, labels_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--out", str(labels_only), "--conditions", "labels"]
    root = f"data.root={place / 'data'}"
    error = failed(capsys, str(place / "two"), *words, root)
    assert "holds the evaluation of 'one'" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name a run folder or a model file"),
        (["nowhere"], "cannot be read"),
        (["csrt"], "write --baseline csrt"),
        (["--baseline", "mosse"], "--baseline must be one of csrt, kcf, got 'mosse'"),
        (["MODEL", "data.rot=x"], "unknown key 'data.rot'.*did you mean 'data.root'"),
        (["MODEL", "data.root=/nowhere"], "/nowhere"),
        (["MODEL", "ROOT", "--layout", "vot"], "layout must be one of"),
        (["MODEL", "ROOT", "--split", "holdout"], "split"),
        (["MODEL", "--layout", "otb"], "--layout is of the folder in data.root="),
        (["MODEL", "ROOT", "--max-sequences", "0"], "--max-sequences must be at least 1"),
        (["MODEL", "ROOT", "--max-sequences", "2", "--pack", "got10k"], "--pack needs every"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    message: str,
) -> None:
    stand_for = {"MODEL": str(place / "one"), "ROOT": f"data.root={place / 'data'}"}
    error = failed(capsys, *(stand_for.get(w, w) for w in words), "--out", str(tmp_path / "out"))
    assert re.search(message, error), error
    assert not (tmp_path / "out").exists()


def test_baselines_stand_in_the_same_table(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not hasattr(cv2, "TrackerCSRT_create"):
        pytest.skip("this OpenCV has no CSRT; install .[baselines]")
    out = tmp_path / "out"
    words = [str(place / "one"), "--baseline", "csrt", "--baseline", "kcf", "--out", str(out)]
    assert evaluate(place, *words) == 0
    trackers = json.loads((out / "evaluation.json").read_text())["trackers"]
    assert list(trackers) == ["one", "csrt", "kcf"]
    assert all(set(tracker["by_label"]) == {"occlusion", "normal"} for tracker in trackers.values())
    assert trackers["kcf"]["source"] == f"OpenCV {cv2.__version__}"
    assert "csrt" in capsys.readouterr().out


def test_a_baseline_that_opencv_lacks_is_named(
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delattr(cv2, "TrackerCSRT_create", raising=False)
    monkeypatch.delattr(cv2, "legacy", raising=False)
    error = failed(capsys, "--baseline", "csrt", "--out", str(tmp_path / "out"))
    assert "install the project as .[baselines]" in error


def test_different_frame_counts_are_named(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    lines = "".join(f"{10 + row},12,16,12\n" for row in range(5))
    write_sequence(root / "test" / "alpha", 8, boxes=lines)
    write_sequence(root / "test" / "beta", 8)
    words = [str(place / "one"), f"data.root={root}", "--conditions", "labels", "--out"]
    error = failed(capsys, *words, str(tmp_path / "stopped"))
    assert "has 5 boxes for 8 pictures" in error
    out = tmp_path / "skipped"
    assert main(["evaluate", *words, str(out), "data.on_error=skip"]) == 0
    assert "1 left out by the reader: fewer boxes than frames" in capsys.readouterr().out
    numbers = json.loads((out / "evaluation.json").read_text())
    assert numbers["data"]["skipped"] == {"fewer boxes than frames": 1}
    assert numbers["data"]["sequences"] == 1
