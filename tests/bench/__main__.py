"""``python -m tests.bench [compare|…] [options]``; without a command, ``compare``."""

from __future__ import annotations

import sys
from importlib import import_module

# Each is a module here with ``main(arguments) -> exit code``.
COMMANDS = ("compare",)


def main(arguments: list[str]) -> int:
    command = arguments[0] if arguments and arguments[0] in COMMANDS else "compare"
    module = import_module(f"tests.bench.{command}")
    exit_code: int = module.main(arguments[arguments[:1] == [command] :])
    return exit_code


sys.exit(main(sys.argv[1:]))
