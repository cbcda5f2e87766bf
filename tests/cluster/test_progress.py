from __future__ import annotations

import io
from pathlib import Path
from unittest import mock

import pytest
import ray
from rich.console import Console

import cluster.progress
from cluster.progress import (
    Display,
    duration,
    epoch_lines,
    lost_steps,
    new_board,
    progress_line,
)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3661, "1:01:01")]
)
def test_duration_reads_like_a_clock(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_running_epoch_stands_in_one_line() -> None:
    news = {
        "epoch": 2, "num_epochs": 9, "stage": "full", "step": 70, "num_steps": 400,
        "losses": {"loss/total": 1.25}, "samples_per_second": 61.4, "eta_s": 95,
    }  # fmt: skip
    text = progress_line(news)
    for part in ("epoch 2/9", "full", "step 70/400", "loss 1.250", "61 samples/s", "1:35 left"):
        assert part in text


def test_a_number_that_was_not_measured_is_a_dash_and_skipped_items_are_said() -> None:
    line = {"epoch": 1, "stage": "full", "split": "val", "loss/total": 2.0, "iou": 0.5}
    (text,) = epoch_lines([line | {"skipped": 3}], num_epochs=4)
    assert "iou 0.500" in text
    assert "accuracy   –" in text
    assert "3 bad items skipped" in text


def test_tracking_has_its_own_line() -> None:
    line = {"stage": "tracking", "split": "val", "sequences": 3, "ao": 0.5, "fps": 90.4}
    assert epoch_lines([line], 4) == ["tracked 3 sequences of split 'val'  ao 0.500  90 frames/s"]


def test_a_task_that_hardly_weighs_anything_is_pointed_out() -> None:
    line = {"epoch": 3, "stage": "joint", "split": "train", "loss/total": 2.0}
    weights = {"weight/det": 0.04, "weight/seg": 0.05, "weight/cls": 0.91}
    (text,) = epoch_lines([line | weights], num_epochs=4)
    assert "weight of det only 0.040" in text
    assert text.count("weight of") == 1


@pytest.mark.ray
def test_steps_that_a_fault_cost_are_counted_and_told(local_cluster: str) -> None:
    board = new_board()
    assert ray.get(board.lost_steps.remote("", 0)) == 0
    board.post.remote({"label": "", "step": 37, "message": "at 37"})
    board.post.remote({"label": "other", "step": 90, "message": "at 90"})
    assert ray.get(board.lost_steps.remote("", 30)) == 7
    board.post.remote({"label": "", "step": 35, "message": "at 35"})
    lost = ray.get(board.lost_steps.remote("", 30))
    assert lost == 12
    assert ray.get(board.lost_steps.remote("", 30)) == lost  # nothing was told of in between
    board.post.remote({"label": "", "begun": True, "lost_steps": lost})
    told = io.StringIO()
    with Display(Console(file=told), board, lambda: "nothing is missing"):
        pass
    assert "steps lost so far, to be trained again: 12\n" in told.getvalue()


@pytest.mark.ray
def test_a_board_stays_on_the_node_of_the_command(
    local_cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = mock.Mock()
    monkeypatch.setattr(cluster.progress.Board, "options", options)
    new_board()
    strategy = options.call_args.kwargs["scheduling_strategy"]
    assert strategy.node_id == ray.get_runtime_context().get_node_id()
    assert not strategy.soft


@pytest.mark.ray
def test_a_lost_board_costs_a_count_only(local_cluster: str) -> None:
    board = new_board()
    assert lost_steps(board, "", 3) == {"lost_steps": 0}
    ray.kill(board)
    assert lost_steps(board, "", 3) == {}


@pytest.mark.parametrize("file", ["job.py", "retention.py"])
def test_every_board_is_made_in_one_place(file: str) -> None:
    text = (Path(cluster.progress.__file__).parent / file).read_text()
    assert "new_board()" in text
    assert "Board.remote" not in text


def test_a_board_that_does_not_answer_costs_a_count_only(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(reference: object, timeout: float) -> None:
        raise ray.exceptions.ActorUnavailableError("it starts again", None)

    monkeypatch.setattr(ray, "get", away)
    assert lost_steps(mock.Mock(), "", 3) == {}
