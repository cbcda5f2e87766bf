"""The scripts behind the tables of the unified model still run, on small sets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mtl.config.load import load
from mtl.models.build import build_model
from mtl.models.model_file import save_model
from tests.data.unified.set_files import box, write_coco, write_folders, write_voc

HERE = Path(__file__).parent
KEYS = [
    "model.backbone.name=test_efficientnet", "model.num_det_classes=3", "model.num_cls_classes=2",
    "data.sizes={det: 96, seg: 64, cls: 64, cls_short_side: 64}", "training.batch_size=2",
    "training.samples_per_epoch=4", "teachers.batch_size=2",
]  # fmt: skip


@pytest.mark.slow
def test_choices_print_a_row_each_with_teachers_of_images_of_another_size(tmp_path: Path) -> None:
    for split in ("train", "val", "test"):
        write_coco(tmp_path / "mini_coco_det", [box(10, [4, 6, 20, 12])], split=split)
        write_voc(tmp_path / "mini_voc_seg", split=split)
        write_folders(tmp_path / "imagenette-160", split=split)
    config = load("unified_plus", [*KEYS, f"data.det_root={tmp_path}"])
    weights = build_model(config).state_dict()
    save_model(tmp_path / "init.safetensors", weights, config, {}, classes={})
    words = ["--data", str(tmp_path), "--init", str(tmp_path / "init.safetensors")]
    rows = ["unified_plus", "boxes: of cells", "teachers"]
    script = [sys.executable, str(HERE / "unified_choices.py"), *words, "--keys", *KEYS]
    result = subprocess.run(
        [*script, "--epochs=1", "--seeds=1", "--only", *rows],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 2 + 6
