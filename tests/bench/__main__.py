"""``python -m tests.bench NAME``: runs one of the measurements beside this file."""

from __future__ import annotations

import argparse
import sys

from tests.bench import soak

_BENCHES = {"soak": soak}

parser = argparse.ArgumentParser(prog="python -m tests.bench")
subparsers = parser.add_subparsers(dest="name", required=True)
for name, bench in _BENCHES.items():
    bench.add_options(subparsers.add_parser(name, help=str(bench.__doc__).partition("\n")[0]))
options = parser.parse_args()
sys.exit(_BENCHES[options.name].run(options))
