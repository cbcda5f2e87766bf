"""The `mtl` command: everything that needs no cluster."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module

from mtl.commands.command import Parser
from mtl.errors import AwayError, MtlError
from mtl.hiccups import is_hiccup, words_of

COMMANDS = (
    "synth",
    "annotate",
    "report",
    "config",
    "export",
    "import_",
    "evaluate",
    "track",
    "compare",
    "gradients",
    "doctor",
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one sub-command; returns the exit status."""
    parser = Parser(prog="mtl", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        import_module(f"mtl.commands.{name}").add(commands)
    options = parser.parse_args(arguments)
    try:
        options.run(options)
    except MtlError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError) or not is_hiccup(error):
            raise  # a broken pipe is the terminal's
        print(f"error: {AwayError(words_of(error))}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
