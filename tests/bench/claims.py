"""What the project says of its speed, as ratios within one run of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.bench.results import Results

_MB = 1_000_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """A number, and what it must reach."""

    text: str
    value: float
    bound: float
    at_most: bool = False
    """The value is to stay below the bound; else it is to reach it."""

    @property
    def holds(self) -> bool:
        return self.value <= self.bound if self.at_most else self.value >= self.bound


# Workload, contender, compared with, at least so many times as fast.
_FASTER = (
    ("small", "trio-mirror", "aiohttp-pillow", 1.5),
    ("small", "trio-mirror", "xargs-curl-jpegtran", 7.0),
    ("small", "trio-mirror-2", "aiohttp-pillow", 2.0),
    ("small", "trio-mirror-2", "aiohttp-turbojpeg", 1.0),
    ("small", "trio-mirror-pillow-2", "aiohttp-pillow", 1.2),
    ("photo", "trio-mirror", "limit", 0.88),
    ("photo", "trio-mirror", "aiohttp-turbojpeg", 1.0),
    ("photo", "trio-mirror", "aiohttp-pillow", 1.8),
)
# Text, measurement, divided by, at most.
_CHEAPER = (
    ("CPU a photo, whole ÷ flip alone", "cpu_per_photo", "cpu_per_photo_flip_alone", 1.10),
    ("CPU a picture, c = 256 ÷ c = 16", "cpu_per_picture_c256", "cpu_per_picture_c16", 1.15),
    ("CPU, progress, events and sheet ÷ none of them", "cpu_seen", "cpu_unseen", 1.05),
    ("time, progress, events and sheet ÷ none of them", "seconds_seen", "seconds_unseen", 1.05),
    ("peak memory, list read, long ÷ short", "peak_dry_run_many_names", "peak_dry_run_few_names", 1.2),
    ("peak memory, list mirrored, long ÷ short", "peak_mirrored_many_names", "peak_mirrored_few_names", 1.2),
)
# Measurement, megabytes at most.
_SMALLER = (("peak_dry_run_many_names", 150.0), ("peak_mirrored_many_names", 150.0))
_OVER_A_LINE = 64  # in flight
_OF_THE_BEST = 0.9


def claims(results: Results) -> list[Claim]:
    """The claims that these results tell about."""
    found = []
    for workload, contender, compared, bound in _FASTER:
        rate, other = results.rate(workload, contender), results.rate(workload, compared)
        if rate and other:
            found.append(Claim(text=f"{workload}: {contender} ÷ {compared}", value=rate / other, bound=bound))
    alone, rate = results.measurements.get("seconds_alone"), results.rate("latency", "trio-mirror")
    if alone and rate:
        best = _OVER_A_LINE / alone
        text = f"latency: trio-mirror ÷ ({_OVER_A_LINE} ÷ time of one picture alone)"
        found.append(Claim(text=text, value=rate / best, bound=_OF_THE_BEST))
    measured = results.measurements
    for text, name, divisor, bound in _CHEAPER:
        if name in measured:
            found.append(Claim(text=text, value=measured[name] / measured[divisor], bound=bound, at_most=True))
    for name, bound in _SMALLER:
        if name in measured:
            text = f"{name.replace('_', ' ')}, MB"
            found.append(Claim(text=text, value=measured[name] / _MB, bound=bound, at_most=True))
    return found
