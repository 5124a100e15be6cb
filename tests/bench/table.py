"""The results as tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench.claims import claims
from tests.bench.lineup import DRY_RUN, LINEUP, OVER_TLS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.results import Results
    from tests.bench.workloads import Workload

BASELINE = "aiohttp-pillow"
"""What people would write, and the contender that the others are divided by."""
TITLES = {contender.key: contender.title for contender in (*LINEUP, DRY_RUN, *OVER_TLS)}
_MB = 1_000_000


def tables(results: Results, workloads: tuple[Workload, ...]) -> str:
    """All tables, as text."""
    return "\n".join(_lines(results, workloads))


def _lines(results: Results, workloads: tuple[Workload, ...]) -> Iterator[str]:
    for workload in workloads:
        entries = results.entries.get(workload.key)
        if not entries:
            continue
        yield f"{workload.title}, {workload.concurrency} in flight"
        yield f"  {'':40} {'per second':>10} {'ratio':>7} {'CPU ms':>8} {'peak MB':>8}"
        base = results.rate(workload.key, BASELINE)
        for key, entry in entries.items():
            ratio = f"{entry.rate / base:.2f} ×" if base else ""
            cost = f"{1000 * entry.cpu:8.2f} {entry.peak / _MB:8.0f}"
            yield f"  {TITLES[key]:40} {entry.rate:10,.1f} {ratio:>7} {cost}"
        yield ""
    if results.measurements:
        yield "single measurements"
        for name, value in results.measurements.items():
            shown = f"{value / _MB:.1f} MB" if name.startswith("peak") else f"{1000 * value:.2f} ms"
            yield f"  {name.replace('_', ' '):50} {shown:>10}"
        yield ""
    if held := claims(results):
        yield "what is to hold"
        for claim in held:
            sign = "≤" if claim.at_most else "≥"
            verdict = "holds" if claim.holds else "missed"
            yield f"  {claim.text:60} {claim.value:8.2f} {sign} {claim.bound:<6g} {verdict}"
        yield ""
    yield from (f"note: {note}" for note in results.notes)
