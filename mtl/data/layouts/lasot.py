"""LaSOT (Fan et al., CVPR 2019): <class>/<class>-<n>/ or <class>-<n>/, as the archives unpack.

<sequence>/img/00000001.jpg ...  pictures
<sequence>/groundtruth.txt       x,y,w,h, pixels counted from 1
<sequence>/full_occlusion.txt    0 and 1 in one line; 1: nothing of the target can be seen
<sequence>/out_of_view.txt       likewise; 1: the target left the picture
testing_set.txt                  optional; names of the test sequences

Frames with either flag are not visible here. LaSOT's own evaluation counts them.
"""

from __future__ import annotations

from mtl.data.bad_items import BadItems
from mtl.data.got10k import natural_key
from mtl.data.layouts.folders import files_in, folders_in, lines_of
from mtl.data.layouts.source import Source
from mtl.data.storage import join

FLAG_FILES = ("full_occlusion.txt", "out_of_view.txt")
TEST_LIST = "testing_set.txt"


def looks_like(root: str) -> bool:
    """Whether a folder is in this layout."""
    return bool(_places(root, first_only=True))


def find(root: str, split: str | None, bad: BadItems) -> list[Source]:
    """Sequences of the test list if there is one (train: those not in it), else all."""
    places = _places(root)
    names = sorted(places, key=natural_key)
    if split in (None, "test") and TEST_LIST in files_in(root):
        names = []
        for number, name in lines_of(join(root, TEST_LIST)):
            if name in places:
                names.append(name)
            else:
                bad.add(
                    "testing_set.txt: sequence absent",
                    f"{join(root, TEST_LIST)}, line {number}: there is no sequence folder "
                    f"'{name}'; copy it or take the line out",
                )
    elif split == "train" and TEST_LIST in files_in(root):
        tests = {name for _, name in lines_of(join(root, TEST_LIST))}
        names = [name for name in names if name not in tests]
    return [
        Source(
            name,
            join(places[name], "img"),
            join(places[name], "groundtruth.txt"),
            tuple(join(places[name], f) for f in FLAG_FILES if f in files_in(places[name])),
        )
        for name in names
    ]


def _places(root: str, first_only: bool = False) -> dict[str, str]:
    found = {}
    for name in folders_in(root):
        place = join(root, name)
        below = {name: place}
        if "groundtruth.txt" not in files_in(place):
            below = {inner: join(place, inner) for inner in folders_in(place)}
        for inner, folder in below.items():
            if "img" in folders_in(folder) and "groundtruth.txt" in files_in(folder):
                found[inner] = folder
                if first_only:
                    return found
    return found
