"""The folder of an evaluation of unified models: whose it is, and the answers kept on the way.

<out>/config.json        who takes part and on what; a command on anything else is refused
<out>/answers/           what each model answered to each task, kept when a task is done
<out>/results/           boxes, pixels and classes of each model for other programs
<out>/evaluation.json    every number, written when all is answered
<out>/per_image.csv      one line for each model, task and image
<out>/report.html        one page
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np

from mtl.benchmark.claimed_folder import ClaimedFolder, Content, are_entries
from mtl.config.unified import UnifiedTaskName
from mtl.errors import RunExistsError
from mtl.families.unified_answering import Gathered
from mtl.families.unified_evaluation.plan import Entrant, Plan, data_digests
from mtl.files import write_atomically
from mtl.tasks.unified import sides_of


class EvaluationFolder(ClaimedFolder):
    """Where an evaluation of unified models keeps its files."""

    def claim(self, plan: Plan) -> None:
        """Make the folder this plan's, or find that it is already; more models may join.

        Raises:
            RunExistsError: if the folder holds an evaluation of other models or other data.
            DataError: if its config.json cannot be read, or it is a folder of something else.
        """
        models = {
            one.name: {"digest": one.digest, "source": one.source}
            for one in plan.entrants[: plan.num_compared]
        }
        data = {"split": plan.split, "images": data_digests(plan.index)}
        content = {"models": models, "data": data}

        def join(before: Content) -> Content:
            self._require_same(before, models, data)
            return content

        self.write_claim(content, _is_sound, join)

    def _require_same(self, before: Content, models: Content, data: Content) -> None:
        for name, entry in before["models"].items():
            if models.get(name, {}).get("digest") != entry["digest"]:
                raise RunExistsError(
                    f"{self.path} holds the evaluation of '{name}' ({entry['source']}, "
                    f"{entry['digest'][:15]}), which is not what this command calls so; name "
                    "that model too, or give --out another folder."
                )
        if before["data"] != data:
            raise RunExistsError(
                f"{self.path} holds results on other data (split {before['data']['split']}, or "
                "other images or labels); give --out another folder."
            )

    def keep(self, plan: Plan, entrant: Entrant, task: UnifiedTaskName, found: Gathered) -> None:
        """Keep the answers to a task, if it can be told later that they still hold."""
        key = _key(plan, entrant, task)
        if key is None:
            return
        data = io.BytesIO()
        np.savez_compressed(data, key=key, values=found.values, readable=found.readable)
        write_atomically(self._file(entrant, task), data.getvalue())

    def kept(self, plan: Plan, entrant: Entrant, task: UnifiedTaskName) -> Gathered | None:
        """The answers to a task that were kept; none if there are none of this model and data."""
        file = self._file(entrant, task)
        if not file.exists():
            return None
        try:
            with np.load(file, allow_pickle=False) as arrays:
                found = Gathered(arrays["values"], arrays["readable"])
                known = str(arrays["key"]) == _key(plan, entrant, task)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # asking again is all that a broken file costs
        return found if known else None

    def _file(self, entrant: Entrant, task: UnifiedTaskName) -> Path:
        return self.path / "answers" / f"{entrant.name}-{task}.npz"


def _key(plan: Plan, entrant: Entrant, task: UnifiedTaskName) -> str | None:
    """What answers depend on; none where the store does not tell of changes."""
    files = plan.files[task]
    if files is None:
        return None
    images, side = data_digests(plan.index)[task], sides_of(entrant.config)[task]
    short_side, data = entrant.config.data.sizes.cls_short_side, plan.data
    return (
        f"{entrant.digest} {task} {images} {files} {side} {short_side} {data.on_error} "
        f"{data.max_pixels}"
    )


def _is_sound(content: Content) -> bool:
    data = content["data"]
    sound = isinstance(data["split"], str) and isinstance(data["images"], dict)
    return sound and are_entries(content["models"])
