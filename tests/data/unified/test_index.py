from __future__ import annotations

import numpy as np
import pytest

from mtl.data.unified.index import ClassificationIndex, UnifiedIndex
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
