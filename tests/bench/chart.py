"""The ratios as one picture: an SVG that suits a light page and a dark one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from tests.bench.table import BASELINE, TITLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.results import Results
    from tests.bench.workloads import Workload

# Pixels.
_WIDTH = 760
_BARS = 280  # where they begin
_LONGEST = 400
_LINE = 22
_HEADING = 40

# GitHub's page colours, light and dark, are behind it: nothing is painted there.
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.heading { font-weight: 600 }
.ours { fill: #1a7f64 } .others { fill: #8c959f } .limit { fill: none; stroke: #8c959f; stroke-dasharray: 4 3 }
.one { stroke: #59636e; stroke-dasharray: 2 3 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .ours { fill: #3fb68b } .others { fill: #656c76 } .limit { stroke: #9198a1 }
  .one { stroke: #9198a1 }
}
"""


def chart(results: Results, workloads: tuple[Workload, ...]) -> str:
    """Draws a bar for each contender of each workload, as long as it is faster than the baseline.

    Returns:
        The SVG; a workload without the baseline is left out.
    """
    shown = [workload for workload in workloads if results.rate(workload.key, BASELINE)]
    ratios = {workload.key: _ratios(results, workload.key) for workload in shown}
    scale = _LONGEST / max((ratio for of in ratios.values() for ratio in of.values()), default=1)
    body: list[str] = []
    y = 0
    for workload in shown:
        y += _HEADING
        heading = f"{workload.title}, {workload.concurrency} in flight"
        body.append(f'<text class="heading" x="0" y="{y - 12}">{escape(heading)}</text>')
        height = _LINE * len(ratios[workload.key])
        body.extend(_bars(ratios[workload.key], y, scale))
        one = _BARS + scale
        body.append(f'<line class="one" x1="{one:.1f}" x2="{one:.1f}" y1="{y - 4}" y2="{y + height - 2}"/>')
        y += height
    caption = f"Pictures per second, as multiples of {TITLES[BASELINE]} (the dotted line)"
    body.append(f'<text x="0" y="{y + _LINE}">{escape(caption)}</text>')
    height = y + 2 * _LINE
    opening = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img">'
    return "\n".join([opening, f"<title>{escape(caption)}</title>", f"<style>{_STYLE}</style>", *body, "</svg>", ""])


def _ratios(results: Results, workload: str) -> dict[str, float]:
    base = results.entries[workload][BASELINE].rate
    return {key: entry.rate / base for key, entry in results.entries[workload].items()}


def _bars(ratios: dict[str, float], top: int, scale: float) -> Iterator[str]:
    for row, (key, ratio) in enumerate(ratios.items()):
        y = top + row * _LINE
        kind = "ours" if key.startswith("trio-mirror") else "limit" if key == "limit" else "others"
        length = max(scale * ratio, 1)
        yield f'<text x="{_BARS - 8}" y="{y + 13}" text-anchor="end">{escape(TITLES[key])}</text>'
        yield f'<rect class="{kind}" x="{_BARS}" y="{y}" width="{length:.1f}" height="{_LINE - 5}" rx="2"/>'
        yield f'<text x="{_BARS + length + 6:.1f}" y="{y + 13}">{ratio:.2f}</text>'
