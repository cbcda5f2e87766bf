from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
import torch

from mtl.config.load import load
from mtl.data.frame_index import FrameIndex
from mtl.tasks.tracking import TrackingTask

NOTHING = FrameIndex("", "train", pa.table({}), (), np.zeros(1, np.int64))


@pytest.mark.parametrize(("flag", "loses"), [("true", True), ("false", False)])
def test_the_config_says_whether_a_crossed_box_silences_its_batch(flag: str, loses: bool) -> None:
    words = ["mode=finetune_bbox", f"loss.silence_crossed_boxes={flag}"]
    task = TrackingTask(load("simtrack", words), NOTHING)
    predicted = torch.tensor([[[0.1, 0.1, 0.5, 0.5]], [[0.6, 0.1, 0.5, 0.5]]])
    loss, iou = task.giou_loss(predicted, torch.tensor([0.2, 0.1, 0.5, 0.5]).expand(2, 1, 4))
    assert (loss.item() == 0.0) == loses
    assert (iou[0].item() == 0.0) == loses
    assert iou[1].item() == 0.0
