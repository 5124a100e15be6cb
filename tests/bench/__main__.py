"""``python -m tests.bench [NAME]``: runs one of the measurements beside this file; without a name, ``compare``."""

from __future__ import annotations

import argparse
import sys

from tests.bench import cluster, compare, formats, scale, soak

_BENCHES = {"cluster": cluster, "compare": compare, "formats": formats, "scale": scale, "soak": soak}

parser = argparse.ArgumentParser(prog="python -m tests.bench")
subparsers = parser.add_subparsers(dest="name", required=True)
for name, bench in _BENCHES.items():
    bench.add_options(subparsers.add_parser(name, help=str(bench.__doc__).partition("\n")[0]))
arguments = sys.argv[1:]
if not arguments or arguments[0] not in (*_BENCHES, "-h", "--help"):
    arguments = ["compare", *arguments]
options = parser.parse_args(arguments)
sys.exit(_BENCHES[options.name].run(options))
