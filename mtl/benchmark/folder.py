"""The folder of an evaluation: whose it is, what is done, and what came of it.

<out>/config.json          who takes part and on what; a command on anything else is refused
<out>/results/             boxes, times and conditions in the layout of the GOT-10k toolkit
<out>/evaluation.json      every number, written when all is tracked
<out>/per_sequence.csv     one line for each tracker and sequence
<out>/report.html          one page, with its pictures beside it in plots/
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mtl.benchmark.entrants import Entrant
from mtl.benchmark.following import Followed, keep, kept
from mtl.benchmark.plan import Item, Plan, sequence_digest
from mtl.data.frame_index import Sequence
from mtl.errors import DataError, RunExistsError, ShapeError
from mtl.files import write_atomically

CONFIG_FILE = "config.json"


class EvaluationFolder:
    """Where an evaluation keeps its files."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def results(self) -> Path:
        """Folder that holds the trackers' folders."""
        return self.path / "results"

    def claim(self, plan: Plan) -> None:
        """Make the folder this plan's, or find that it is already.

        More trackers and more sequences than before may be asked for, and fewer sequences.

        Raises:
            RunExistsError: if the folder holds results of other trackers or other data.
            DataError: if its config.json cannot be read, or it is a folder of something else.
        """
        file = self.path / CONFIG_FILE
        trackers = {e.name: {"digest": e.digest, "source": e.source} for e in plan.entrants}
        sequences = {s.name: sequence_digest(s) for s in plan.sequences}
        if file.exists():
            before = _read(file)
            self._require_same(before, plan, trackers, sequences)
            sequences = {**before["sequences"], **sequences}
        elif self.path.is_dir() and any(self.path.iterdir()):
            raise DataError(
                f"{self.path} is not empty and no folder of an evaluation; give --out a new folder."
            )
        content = {"trackers": trackers, "data": plan.about, "sequences": sequences}
        write_atomically(file, (json.dumps(content, indent=1) + "\n").encode())

    def _require_same(
        self,
        before: dict[str, Any],
        plan: Plan,
        trackers: dict[str, Any],
        sequences: dict[str, str],
    ) -> None:
        for name, entry in before["trackers"].items():
            if name not in trackers:
                raise RunExistsError(
                    f"{self.path} holds the evaluation of '{name}' ({entry['source']}), which this "
                    "command does not name; name it too, or give --out another folder."
                )
            if entry["digest"] != trackers[name]["digest"]:
                raise RunExistsError(
                    f"{self.path} holds results of another tracker called '{name}' "
                    f"({entry['source']}, {entry['digest'][:15]}); give --out another folder."
                )
        for name, digest in sequences.items():
            if before["sequences"].get(name, digest) != digest:
                raise RunExistsError(
                    f"{self.path} holds results on other data: its sequence '{name}' had other "
                    f"frames or boxes than that of {plan.about['root']}; "
                    "give --out another folder."
                )

    def kept(self, entrant: Entrant, sequence: Sequence) -> Followed | None:
        """What the files of an item say; none if there are none.

        Raises:
            DataError: if a file is broken.
            ShapeError: if a file has another number of lines than the sequence has frames.
        """
        return kept(self.results, entrant.name, sequence, entrant.output_names)

    def keep(self, entrant: Entrant, sequence: Sequence, followed: Followed) -> None:
        """Write the files of an item."""
        keep(self.results, entrant.name, sequence.name, followed)

    def open_items(self, plan: Plan) -> tuple[list[Item], list[str]]:
        """Items that are not done, and a sentence for each whose files are there but broken."""
        waiting, broken = [], []
        for item in plan.items():
            try:
                done = self.kept(plan.entrants[item.entrant], plan.sequences[item.sequence])
            except (DataError, ShapeError) as error:
                broken.append(str(error))
                done = None
            if done is None:
                waiting.append(item)
        return waiting, broken


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        trackers, sequences = content["trackers"], content["sequences"]
        sound = all({"digest", "source"} <= entry.keys() for entry in trackers.values())
        sound = sound and all(isinstance(digest, str) for digest in sequences.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        sound = False
    if not sound:
        raise DataError(
            f"{file} is no readable config of an evaluation; give --out another folder, or delete "
            "this file to begin again."
        )
    result: dict[str, Any] = content
    return result
