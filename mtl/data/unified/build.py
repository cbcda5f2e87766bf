"""From the roots of a configuration to the index of a split."""

from __future__ import annotations

from collections.abc import Container
from typing import Literal

from mtl.config.unified import UNIFIED_TASKS, UnifiedTaskName
from mtl.config.unified_data import UnifiedDataConfig
from mtl.data.storage import absolute, join
from mtl.data.unified.coco import read_detection
from mtl.data.unified.image_folder import read_classification
from mtl.data.unified.index import UnifiedIndex
from mtl.data.unified.scenes import embedded_scenes
from mtl.data.unified.voc import read_segmentation

Split = Literal["train", "val", "test"]


def build_unified_index(
    config: UnifiedDataConfig, split: Split, tasks: Container[UnifiedTaskName] = UNIFIED_TASKS
) -> UnifiedIndex:
    """Read what a split holds for each task that has data.

    Args:
        config: where the sets are; without any root, the embedded scenes are rendered if need be.
        split: which part, by its role; `config` says what each set calls it.
        tasks: whose sets are read; nobody looks at the others.

    Raises:
        DataError: if a root, file or folder is missing or broken, nothing usable is left, or, with
            `on_error=stop`, at the first bad item.
    """
    roots = {"det": config.det_root, "seg": config.seg_root, "cls": config.cls_root}
    if config.embedded:
        root = str(embedded_scenes(config.synthetic))
        roots = {task: join(root, task) for task in roots}
    read = {task: absolute(root) for task, root in roots.items() if root and task in tasks}
    det, seg, cls = (
        getattr(names, split) for names in (config.det_splits, config.seg_splits, config.cls_splits)
    )
    return UnifiedIndex(
        det=read_detection(read["det"], det, config) if "det" in read else None,
        seg=read_segmentation(read["seg"], seg, config) if "seg" in read else None,
        cls=read_classification(read["cls"], cls, config) if "cls" in read else None,
    )


def local_unified_index(config: UnifiedDataConfig, index: UnifiedIndex) -> UnifiedIndex:
    """An index made on another machine, for this one: embedded scenes lie in its own cache."""
    return index.moved(str(embedded_scenes(config.synthetic))) if config.embedded else index
