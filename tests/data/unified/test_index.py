from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mtl.config.unified_data import SceneConfig, UnifiedDataConfig
from mtl.data.unified.build import build_unified_index
from mtl.data.unified.index import ClassificationIndex, UnifiedIndex
from mtl.data.unified.scenes import embedded_scenes
from mtl.errors import DataError


def index(*names: str, **skipped: int) -> UnifiedIndex:
    labels = np.zeros(1, dtype=np.int64)
    return UnifiedIndex(cls=ClassificationIndex("/x", "val", ("a.jpg",), labels, names, skipped))


def test_other_classes_or_another_order_are_named() -> None:
    index("a", "b").require_classes({"cls": ("a", "b"), "det": ("x",)}, "the model")
    index("a", "b").require_classes({}, "the model")
    with pytest.raises(DataError, match="class 0 of the cls data must be 'b' as for the model"):
        index("a", "b").require_classes({"cls": ("b", "a")}, "the model")
    with pytest.raises(DataError, match=r"class 1 .* must be 'b' .* got 'nothing'"):
        index("a").require_classes({"cls": ("a", "b")}, "the training split")


def test_counts_of_bad_items_are_those_of_all_sets() -> None:
    one, two = index("a", broken=2).cls, index("a", broken=1, absent=4).cls
    assert UnifiedIndex(cls=one).skipped == {"broken": 2}
    both = UnifiedIndex(seg=one, cls=two)  # any set counts alike
    assert both.skipped == {"broken": 3, "absent": 4}


def test_some_images_of_a_set_keep_their_own_boxes_and_labels() -> None:
    data = UnifiedDataConfig(synthetic=SceneConfig(train_images=8, val_images=6))
    whole = build_unified_index(data, "val")
    rows = np.array([1, 4])
    part = whole.take({"det": rows, "cls": rows})
    assert part.lengths == {"det": 2, "seg": 6, "cls": 2}
    assert whole.det is not None
    assert part.det is not None
    assert part.cls is not None
    for place, row in enumerate(rows.tolist()):
        assert part.det.images[place] == whole.det.images[row]
        mine, its = part.det.rows(place), whole.det.rows(row)
        assert np.array_equal(part.det.boxes_xywh[mine], whole.det.boxes_xywh[its])
        assert np.array_equal(part.det.classes[mine], whole.det.classes[its])
    assert part.places["cls"] == tuple(whole.places["cls"][row] for row in (1, 4))
    assert len(part.take({"det": np.zeros(0, np.int64)}).places["det"]) == 0


def test_a_set_that_nobody_asks_for_may_be_broken(tmp_path: Path) -> None:
    data = UnifiedDataConfig(synthetic=SceneConfig(train_images=8, val_images=6))
    scenes = embedded_scenes(data.synthetic)
    data = UnifiedDataConfig(det_root=f"{tmp_path}/nowhere", cls_root=f"{scenes}/cls")
    assert build_unified_index(data, "val", ["cls"]).lengths == {"cls": 6}
    with pytest.raises(DataError, match="nowhere"):
        build_unified_index(data, "val")
