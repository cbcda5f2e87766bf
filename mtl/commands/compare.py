"""`mtl compare`: what the condition head and its fusions cost, measured side by side."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands

PRESETS = ("hiptrack_small", "simtrack_small")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "compare", help="measure what the condition head costs: parameters, FLOPs, time, memory"
    )
    parser.add_argument(
        "words",
        nargs="*",
        metavar="PRESET|FILE|key=value",
        help=f"what to compare (default: {' '.join(PRESETS)}), and what to change in each",
    )
    parser.add_argument("--rounds", type=int, default=5, help="of timing (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="new folder for comparison.csv and comparison.md")
    parser.add_argument("--device", help="cpu or cuda (default: cuda if there is one)")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    import torch
    from rich.console import Console

    from mtl.comparison.compare import compare
    from mtl.comparison.table import as_csv, markdown, terminal_table
    from mtl.comparison.variants import variants_of
    from mtl.comparison.work import micro_batch_size
    from mtl.errors import ConfigError
    from mtl.files import write_atomically

    if options.rounds < 1:
        raise ConfigError(f"--rounds must be at least 1, got {options.rounds}.")
    out = options.out
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} exists and is not an empty folder; name a new one.")
    has_gpu = torch.cuda.is_available()
    name = options.device or ("cuda" if has_gpu else "cpu")
    if name not in ("cpu", "cuda") or (name == "cuda" and not has_gpu):
        raise ConfigError(f"--device must be cpu, or cuda where torch sees a GPU, got '{name}'.")
    device = torch.device(name)
    sources = [word for word in options.words if "=" not in word] or list(PRESETS)
    overrides = [word for word in options.words if "=" in word]
    compared = [variants_of(source, overrides) for source in sources]
    measured = []
    console = Console()
    with Console(stderr=True).status("") as status:
        for variants in compared:
            measured.append(compare(variants, options.rounds, device, status.update))
    where = torch.cuda.get_device_name() if name == "cuda" else "CPU"
    batches = ", ".join(f"{x[0].source} {micro_batch_size(x[0].config)}" for x in compared)
    title = (
        f"{where}, {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"{options.rounds} rounds; clips in a training step: {batches}"
    )
    print(title)
    for costs in measured:
        console.print(terminal_table(costs))
    if out is not None:
        costs = [cost for costs in measured for cost in costs]
        write_atomically(out / "comparison.csv", as_csv(costs).encode())
        write_atomically(out / "comparison.md", markdown(costs, title).encode())
        print(f"written to {out}")
