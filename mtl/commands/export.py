"""`mtl export`: write a trained tracker as files that run without this project."""

from __future__ import annotations

import argparse
from pathlib import Path

from mtl.commands.command import Commands


def add(commands: Commands) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "export", help="write a tracker as safetensors, TorchScript, ONNX and torch.export"
    )
    parser.add_argument("model", type=Path, help="folder of a run, or a .safetensors file of one")
    parser.add_argument("--out", type=Path, required=True, help="new folder for the files")
    parser.add_argument(
        "--format",
        default="safetensors,torchscript,onnx,torch_export",
        help="formats with commas between them (default: %(default)s)",
    )
    head = parser.add_mutually_exclusive_group()
    head.add_argument(
        "--with-conditions",
        action="store_true",
        help="let the step answer with condition probabilities too",
    )
    head.add_argument(
        "--without-head",
        action="store_true",
        help="refuse a model whose boxes need its condition head; others never keep it",
    )
    parser.add_argument(
        "--device", default="cpu", help="where the programs will run: cpu or cuda (default: cpu)"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Run it."""
    import torch

    from mtl.data.normalize import MEAN, STD
    from mtl.errors import ExportError
    from mtl.models.export.write import export, outputs_of, read_subject, require_empty

    if options.device not in ("cpu", "cuda"):
        raise ExportError(f"--device must be cpu or cuda, got '{options.device}'.")
    if options.device == "cuda" and not torch.cuda.is_available():
        raise ExportError("--device cuda needs a GPU, and torch sees none; use --device cpu.")
    require_empty(options.out)
    outputs = outputs_of(options.format.split(","))
    subject = read_subject(
        options.model, options.with_conditions, options.without_head, torch.device(options.device)
    )
    normalization = {
        "mean": MEAN,
        "std": STD,
        "how": "(RGB / 255 - mean) / std, channels first",
    }
    facts = {"source": str(options.model), "normalization": normalization}
    export(subject, outputs, options.out, facts, announce=print)
    print(f"exported to {options.out}; export.json says what goes in and comes out")
