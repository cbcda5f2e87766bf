"""`mtl import`: published weights to a model file."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands
from mtl.config.load import load

FAMILIES = ("hiptrack", "simtrack", "clip", "timm", "unified")
CLASS_ORDERS = ("hiptrack", "simtrack", "simtrack_guide", "v2")


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "import", help="turn published weights into a model file, and report every entry"
    )
    parser.add_argument(
        "files",
        nargs="+",
        metavar="FILE",
        help="of torch.save, TorchScript or safetensors, or timm:MODEL to download what timm "
        "publishes; for timm a ViT, a ResNet-18 or both; for unified a checkpoint or an "
        "EfficientNet to start from",
    )
    parser.add_argument("--family", required=True, choices=FAMILIES, help="what the weights are of")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR", help="new folder")
    parser.add_argument(
        "--config",
        nargs="+",
        default=[],
        metavar="WORD",
        help="preset or YAML file and section.key=value words; default: the published sizes",
    )
    parser.add_argument(
        "--class-order",
        choices=CLASS_ORDERS,
        help="order of the condition head's rows in the file; default: the family's own",
    )
    parser.add_argument(
        "--without-head", action="store_true", help="leave a condition head in the file alone"
    )
    parser.add_argument(
        "--allow-missing",
        action="append",
        default=[],
        metavar="PATTERN",
        help="entries of the model that may start fresh, such as 'HIP.*'",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    from mtl.models.weights.hub import local_file
    from mtl.models.weights.importer import (
        REPORT_FILE,
        Wishes,
        check_new,
        import_files,
        save_import,
    )
    from mtl.models.weights.kinds import FAMILIES as PRESETS

    check_new(options.out)
    words = list(options.config)
    source = words.pop(0) if words and "=" not in words[0] else PRESETS[options.family]
    wishes = Wishes(
        options.family,
        load(source, words),
        options.class_order,
        not options.without_head,
        tuple(options.allow_missing),
    )
    imported = import_files([local_file(word) for word in options.files], wishes)
    save_import(imported, options.out)
    for line in imported.report.lines():
        print(line)
    print(f"every entry is in {options.out / REPORT_FILE}")
    if imported.whole:
        print(f"track or train with it: model.init={options.out}")
    else:
        print(f"it fills a part of a model; train from it with model.init={options.out}")
