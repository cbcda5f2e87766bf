"""What every command of `mtl` is: a module with `add`, which sets the parser's `run`.

`run` imports what is slow to import, so that `mtl --help` answers at once.
"""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


class Parser(argparse.ArgumentParser):
    """Takes words and options in any order: `mtl evaluate RUN --out DIR data.root=ROOT`."""

    _mixing = False

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """As argparse's, which wants all words of a kind together."""
        if self._subparsers is not None or self._mixing:
            return super().parse_known_args(args, namespace)
        self._mixing = True
        try:
            return self.parse_known_intermixed_args(args, namespace)
        finally:
            self._mixing = False
