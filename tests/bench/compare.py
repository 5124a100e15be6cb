"""Compares trio-mirror with what people would use instead, and with itself."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.chart import chart
from tests.bench.claims import claims
from tests.bench.lineup import DRY_RUN, LINEUP, LOSSLESS, OVER_TLS
from tests.bench.results import Entry, Results
from tests.bench.runner import running
from tests.bench.singles import SINGLES
from tests.bench.table import tables
from tests.bench.timing import BenchError
from tests.bench.workloads import FULL, QUICK, workloads

if TYPE_CHECKING:
    import argparse

    from tests.bench.lineup import Contender
    from tests.bench.runner import Runner
    from tests.bench.workloads import Sizes, Workload

_WORKLOADS = tuple(workload.key for workload in workloads(FULL))


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the command."""
    parser.add_argument("--quick", action="store_true", help="few pictures and one round, to see that it works")
    parser.add_argument("--rounds", type=int, metavar="COUNT", help=f"times that each runs [{FULL.rounds}]")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*_WORKLOADS, *SINGLES],
        metavar="WHAT",
        help=f"workloads and single measurements, of {', '.join([*_WORKLOADS, *SINGLES])} [all]",
    )
    parser.add_argument(
        "--contenders",
        nargs="+",
        choices=[contender.key for contender in LINEUP],
        metavar="WHO",
        help=f"of {', '.join(contender.key for contender in LINEUP)} [all]",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("build/bench"),
        metavar="DIR",
        help="for results.json, ratios.svg [%(default)s]",
    )


def run(options: argparse.Namespace) -> int:
    """Runs the command; gives its exit code, 1 where the benchmark could not be run to its end."""
    sizes = QUICK if options.quick else FULL
    if options.rounds:
        sizes = replace(sizes, rounds=options.rounds)
    asked = options.only or [*_WORKLOADS, *SINGLES]
    compared = tuple(workload for workload in workloads(sizes) if workload.key in asked)
    results = Results()
    if options.quick:
        results.notes.append("so few pictures cost less than start-up does: these numbers compare nothing")
    exit_code = 0
    try:
        _measure(results, compared, [name for name in SINGLES if name in asked], options.contenders, sizes)
    except BenchError as error:
        _say(f"error: {error}")
        exit_code = 1
    # A long run that fails near its end still has something to say.
    if results.entries or results.measurements:
        print(tables(results, compared))
        _write(results, compared, options.out)
    return exit_code


def _measure(
    results: Results, compared: tuple[Workload, ...], singles: list[str], asked: list[str] | None, sizes: Sizes
) -> None:
    present = []
    for contender in LINEUP:
        if asked is not None and contender.key not in asked:
            continue
        if reason := contender.missing():
            results.notes.append(f"{contender.title} was left out: {reason}")
        else:
            present.append(contender)
    if singles and (reason := LOSSLESS.missing()):
        results.notes.append(f"the single measurements were left out: {reason}")
        singles = []
    with running() as runner:
        for workload in compared:
            chosen = [contender for contender in workload.contenders if contender in (*present, DRY_RUN, *OVER_TLS)]
            results.entries[workload.key] = _compare(runner, workload, chosen, sizes)
        for name in singles:
            _say(name)
            results.measurements |= SINGLES[name](runner, sizes)


def _compare(runner: Runner, workload: Workload, contenders: list[Contender], sizes: Sizes) -> dict[str, Entry]:
    """Runs all contenders in turn, A B C A B C, so that whatever else the machine does meets them alike."""
    delayed = workload.delay > 0
    entries = {}
    for contender in contenders:
        entries[contender.key] = Entry(max(1, workload.pictures // contender.share))
        if sizes.warm_up:
            runner.run(contender, workload.kind, sizes.warm_up, workload.concurrency, delayed=delayed)
    for turn in range(sizes.rounds):
        for contender in contenders:
            entry = entries[contender.key]
            entry.runs.append(
                runner.run(contender, workload.kind, entry.pictures, workload.concurrency, delayed=delayed)
            )
            rate = entry.pictures / entry.runs[-1].seconds
            _say(f"{workload.key}, round {turn + 1}: {contender.title}: {rate:,.1f} pictures per second")
    return entries


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _write(results: Results, compared: tuple[Workload, ...], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    written = results.as_json()
    written["claims"] = [
        {"claim": claim.text, "value": claim.value, "bound": claim.bound, "holds": claim.holds}
        for claim in claims(results)
    ]
    (folder / "results.json").write_text(json.dumps(written, indent=2) + "\n")
    (folder / "ratios.svg").write_text(chart(results, compared))
    _say(f"{folder / 'results.json'} and {folder / 'ratios.svg'} are written")
