"""A program's graph of tensor operations, from which every file format is written."""

from __future__ import annotations

import torch
from torch.export import ExportedProgram
from torch.fx import GraphModule

from mtl.models.export.program import Program


@torch.no_grad()
def graph_of(program: Program, device: torch.device) -> ExportedProgram:
    """Record the program, with the weights it uses and no others."""
    inputs = tuple(tensor.to(device) for tensor in program.random_inputs())
    module = torch.export.export(program.module, inputs, strict=False).module()
    assert isinstance(module, GraphModule)
    _drop_unused(module)
    return torch.export.export(module, inputs, strict=False)


def _drop_unused(module: GraphModule) -> None:
    module.graph.eliminate_dead_code()
    used = {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}
    for name in [n for n, _ in (*module.named_parameters(), *module.named_buffers())]:
        if name not in used:
            owner, _, leaf = name.rpartition(".")
            delattr(module.get_submodule(owner), leaf)
