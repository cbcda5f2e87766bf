"""The folder of an evaluation: whose it is, what is done, and what came of it.

<out>/config.json          who takes part and on what; a command on anything else is refused
<out>/results/             boxes, times and conditions in the layout of the GOT-10k toolkit
<out>/evaluation.json      every number, written when all is tracked
<out>/per_sequence.csv     one line for each tracker and sequence
<out>/report.html          one page, with its pictures beside it in plots/
"""

from __future__ import annotations

from typing import Any

from mtl.benchmark.claimed_folder import ClaimedFolder, Content, are_entries
from mtl.benchmark.entrants import Entrant
from mtl.benchmark.following import Followed, keep, kept
from mtl.benchmark.plan import Item, Plan, sequence_digest
from mtl.data.frame_index import Sequence
from mtl.errors import DataError, RunExistsError, ShapeError


class EvaluationFolder(ClaimedFolder):
    """Where an evaluation of trackers keeps its files."""

    def claim(self, plan: Plan) -> None:
        """Make the folder this plan's, or find that it is already.

        More trackers and more sequences than before may be asked for, and fewer sequences.

        Raises:
            RunExistsError: if the folder holds results of other trackers or other data.
            DataError: if its config.json cannot be read, or it is a folder of something else.
        """
        trackers = {e.name: {"digest": e.digest, "source": e.source} for e in plan.entrants}
        sequences = {s.name: sequence_digest(s) for s in plan.sequences}
        content = {"trackers": trackers, "data": plan.about, "sequences": sequences}

        def join(before: Content) -> Content:
            self._require_same(before, plan, trackers, sequences)
            return {**content, "sequences": {**before["sequences"], **sequences}}

        self.write_claim(content, _is_sound, join)

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


def _is_sound(content: Content) -> bool:
    digests = content["sequences"].values()
    return are_entries(content["trackers"]) and all(isinstance(one, str) for one in digests)
