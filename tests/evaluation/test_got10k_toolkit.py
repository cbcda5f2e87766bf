"""Our numbers are those of the GOT-10k toolkit, which reads the files that we write."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mtl.evaluation.got10k_files import write_result
from mtl.evaluation.one_pass import TrackedSequence, score_sequence, summarize

WIDTH, HEIGHT = 100, 60
LENGTHS = {"GOT-10k_Val_000001": 12, "GOT-10k_Val_000002": 30, "GOT-10k_Val_000003": 7}


def test_the_toolkit_finds_our_numbers_in_our_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Absent frames, boxes that leave the picture, empty boxes and times of 0 among them."""
    experiments = pytest.importorskip("got10k.experiments.got10k")
    rng = np.random.default_rng(11)
    results, data, scores = tmp_path / "results" / "GOT-10k", tmp_path / "data", []
    for name, length in LENGTHS.items():
        truth = np.round(rng.uniform([0, 0, 8, 8], [80, 45, 30, 25], (length, 4)), 4)
        boxes = truth + rng.normal(0, 4, (length, 4))
        boxes[0] = truth[0]
        boxes[3], boxes[4, 2:] = [-20, -9, 60, 40], 0.0
        boxes[:, 2:] = np.maximum(boxes[:, 2:], 0.0)
        cover = rng.integers(0, 3, length)
        cover[:2] = 8
        seconds = rng.uniform(0.001, 0.05, length)
        seconds[5] = 0.0
        _write_truth(data / "val" / name, truth, cover)
        tracked = write_result(results, "ours", name, TrackedSequence(boxes, seconds))
        scores.append(score_sequence(name, tracked, truth, cover > 0, WIDTH, HEIGHT))
    (data / "val" / "list.txt").write_text("\n".join(LENGTHS))
    experiment = experiments.ExperimentGOT10k(
        str(data), "val", result_dir=str(results.parent), report_dir=str(tmp_path / "reports")
    )
    monkeypatch.setattr(experiment, "plot_curves", lambda *_: None)
    theirs = experiment.report(["ours"])["ours"]
    ours = summarize(scores).metrics
    assert ours["ao"] == pytest.approx(theirs["overall"]["ao"], abs=1e-6)
    assert ours["sr_50"] == pytest.approx(theirs["overall"]["sr"], abs=1e-6)
    assert ours["speed_got10k"] == pytest.approx(theirs["overall"]["speed_fps"], rel=1e-6)
    curve = theirs["overall"]["succ_curve"]
    assert ours["sr_75"] == pytest.approx(curve[75], abs=1e-6)
    for score in scores:
        one, other = summarize([score]).metrics, theirs["seq_wise"][score.name]
        assert one["ao"] == pytest.approx(other["ao"], abs=1e-6)
        assert one["speed_got10k"] == pytest.approx(other["speed_fps"], rel=1e-6)


def _write_truth(folder: Path, truth: np.ndarray, cover: np.ndarray) -> None:
    folder.mkdir(parents=True)
    picture = cv2.imencode(".jpg", np.zeros((HEIGHT, WIDTH, 3), np.uint8))[1].tobytes()
    for number in range(1, len(truth) + 1):
        (folder / f"{number:08d}.jpg").write_bytes(picture)
    np.savetxt(folder / "groundtruth.txt", truth, fmt="%.4f", delimiter=",")
    np.savetxt(folder / "cover.label", cover, fmt="%d")
    np.savetxt(folder / "absence.label", cover == 0, fmt="%d")
    np.savetxt(folder / "cut_by_image.label", np.zeros(len(cover)), fmt="%d")
    about = f"[METAINFO]\nresolution: ({WIDTH}, {HEIGHT})\n"
    (folder / "meta_info.ini").write_text(about)
