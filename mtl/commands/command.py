"""What every command of `mtl` is: a module with `add`, which sets the parser's `run`.

`run` imports what is slow to import, so that `mtl --help` answers at once.
"""

from __future__ import annotations

import argparse
from typing import TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
