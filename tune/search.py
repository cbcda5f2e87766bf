"""Search for better hyperparameters: `python tune/search.py [PRESET|FILE.yaml] [key=value ...]`.

With no arguments: the demo search on embedded data. Works from a fresh clone, through
`ray job submit --working-dir . -- python tune/search.py` and through `ray submit`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if (ROOT / "pyproject.toml").exists() and str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))  # run as a script, Python looks for packages in tune/ only
if str(ROOT / "tune") in sys.path:
    sys.path.remove(str(ROOT / "tune"))

import cluster.settings  # noqa: F401 - before Ray

# isort: split
from rich.console import Console

from cluster.ending import exit_status
from cluster.job import connect
from cluster.preflight import check_run_on_nodes, check_storage, with_gpus
from cluster.room import room_for
from cluster.storage import absolute_storage
from mtl.doctor.weights import check_init
from mtl.errors import ConfigError, RunExistsError
from mtl.families import family_of
from mtl.families.footprint import disk_need
from mtl.files import write_atomically
from tune.base import check_base, keep_base
from tune.check import checked
from tune.config import SearchConfig
from tune.load import base_run, changed_keys, load, preset_names, to_yaml
from tune.plan import check_one_fits, place, reads_own_data
from tune.progress import ShownReruns, ShownStudy
from tune.publish import final_words, publish
from tune.ray_tune import run_trials
from tune.reruns import runs_left
from tune.study import Study
from tune.waiting import Waiting
from tune.warm_start import earlier_bests

USAGE = f"""usage: python tune/search.py [PRESET|FILE.yaml] [section.key=value ...]

Trains a run many times with values from a space and leaves the best as a config that
cluster/train.py takes, a table of all trials and a report.
With no arguments it searches for a better demo tracker on embedded maritime sequences.

search presets: {", ".join(preset_names())}

keys every search knows (each has a sentence in tune/config.py):
  name=NAME              name of the search folder; default: preset and time
  resume=true            go on with the search called name=
  trials=N               trials, those that are stopped early included
  sampler=tpe|random     learn from past trials, or draw by chance
  scheduler=asha|hyperband|none   stop trials that fall behind early
  run.preset=NAME        the run that is varied, and below run. all its keys
  space.PARAMETER.low=X  ranges
  concurrent_trials=N    trials at a time; 1: the same trials every time"""

SEARCH_FILE = "search.yaml"


def resolve(arguments: Sequence[str]) -> SearchConfig:
    """The search that these command-line words ask for, with its name decided.

    `resume=true name=X` without a preset takes the config that search X was started with.
    """
    words = list(arguments)
    source = words.pop(0) if words and "=" not in words[0] else None
    values = dict(word.split("=", 1) for word in words if "=" in word)
    storage = absolute_storage(values.get("storage", "runs"), Path.cwd(), Path.home())
    if source is None and values.get("resume") == "true" and "name" in values:
        saved = Path(storage) / values["name"] / SEARCH_FILE
        if saved.is_file():
            return load(str(saved), [*words, f"storage={storage}"])
    search = load(source or "demo", words)
    if "://" in search.storage:
        raise ConfigError(
            f"storage={search.storage} must be a folder on a disk that all nodes reach: a search "
            "appends to its journal, which object stores cannot."
        )
    if search.name is None and search.resume:
        raise ConfigError("resume=true needs name= to say which search to go on with.")
    label = f"{Path(source or 'demo').stem}-search-{datetime.now():%Y%m%d-%H%M%S}"
    place = absolute_storage(search.storage, Path.cwd(), Path.home())
    return search.model_copy(update={"name": search.name or label, "storage": place})


def check_folder(search: SearchConfig, folder: Path) -> None:
    """Refuse a name in use, or to go on with a search that does not exist or was another one.

    Raises:
        RunExistsError: the name is in use and `resume=true` was not given.
        ConfigError: there is nothing to resume, or what is searched or varied has changed.
    """
    saved = folder / SEARCH_FILE
    if not search.resume:
        if folder.exists():
            raise RunExistsError(
                f"'{search.name}' exists in {folder.parent}; give resume=true to go on with it, "
                "or another name=."
            )
        return
    if not saved.is_file():
        raise ConfigError(
            f"there is no search '{search.name}' in {folder.parent} to resume; check name= and "
            "storage=."
        )
    for key in changed_keys(load(str(saved)), search):
        raise ConfigError(
            f"search '{search.name}' was started with another {key}; resume it with the value it "
            "had, or start a new search under another name with warm_start of this one."
        )
    check_base(folder, base_run(search))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if any(word in ("-h", "--help") for word in words):
        print(USAGE)
        return 0
    stopped = "stopped; resume=true with this name goes on with every trial kept."
    return exit_status(lambda at_end: run_search(words, at_end), stopped)


def run_search(words: Sequence[str], at_end: ExitStack) -> None:
    """Run the search that these command-line words ask for.

    Raises:
        MtlError: in one sentence; every trial that ended is kept.
        KeyboardInterrupt: trials are left because somebody stopped them.
    """
    console = Console(file=sys.stdout, highlight=False, soft_wrap=True)
    search = resolve(words)
    folder = Path(search.storage) / str(search.name)
    check_folder(search, folder)
    space, goal = checked(search)
    base = space.base
    check_init(base)
    warm = earlier_bests(search, space)
    console.print(f"search '{search.name}' in {folder}", markup=False)
    indices = family_of(base).indices()
    check_storage(search.storage)
    joined = connect(base, at_end)
    space.base = with_gpus(base)
    left = runs_left(search, Study(folder, search, space, goal) if search.resume else None)
    with room_for(space.base, lambda: check_one_fits(space.base), console.print):
        placement = place(search, space.base, indices, folder.parent, left, console)
        if joined:
            placed = space.base.model_copy(update={"storage": search.storage})
            check_run_on_nodes(placed, disk_need(base))
    keep_base(folder, space.asked)
    write_atomically(folder / SEARCH_FILE, to_yaml(search).encode())
    study = Study(folder, search, space, goal)
    study.enqueue_first(warm)
    shared = None if reads_own_data(space) else indices
    if study.left:
        with ShownStudy(study, placement.concurrent, console) as shown:
            waiting = Waiting(space.base.cluster, console)
            run_trials(shown, study.left, shared, placement, waiting)
    if study.left:
        raise KeyboardInterrupt
    reruns = ShownReruns(study, console)
    if reruns.left:
        waiting = Waiting(space.base.cluster, console)
        run_trials(reruns, len(reruns.left), shared, placement, waiting)
    if ShownReruns(study, console).left:
        raise KeyboardInterrupt
    publish(study)
    final_words(study, console)


if __name__ == "__main__":
    sys.exit(main())
