"""What was measured, and the form it is kept in."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from trio_mirror import __version__

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.bench.timing import Cost

_PACKAGES = ("trio", "httpx", "httptools", "pillow", "aiohttp", "requests")


@dataclass(slots=True)
class Entry:
    """The runs of one contender on one workload."""

    pictures: int
    """Of each run."""
    runs: list[Cost] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """Pictures per second."""
        return self.pictures / median(run.seconds for run in self.runs)

    @property
    def cpu(self) -> float:
        """Seconds of CPU a picture, start-up included."""
        return median(run.cpu for run in self.runs) / self.pictures

    @property
    def peak(self) -> float:
        """Bytes of the largest process."""
        return median(run.peak for run in self.runs)

    def as_json(self) -> dict[str, Any]:
        return {
            "pictures": self.pictures,
            "pictures_per_second": self.rate,
            "cpu_seconds_per_picture": self.cpu,
            "peak_bytes": self.peak,
            "runs": [{"seconds": run.seconds, "cpu_seconds": run.cpu, "peak_bytes": run.peak} for run in self.runs],
        }


@dataclass(slots=True)
class Results:
    """All of it."""

    entries: dict[str, dict[str, Entry]] = field(default_factory=dict)
    """By workload, then by contender."""
    measurements: dict[str, float] = field(default_factory=dict)
    """The single measurements, by name; see `tests.bench.singles`."""
    notes: list[str] = field(default_factory=list)
    """What a reader must know: what was left out, and why."""

    def rate(self, workload: str, contender: str) -> float | None:
        """Pictures per second, or None where that was not measured."""
        entry = self.entries.get(workload, {}).get(contender)
        return entry.rate if entry else None

    def as_json(self) -> dict[str, Any]:
        return {
            "machine": machine(),
            "workloads": {
                workload: {contender: entry.as_json() for contender, entry in entries.items()}
                for workload, entries in self.entries.items()
            },
            "measurements": self.measurements,
            "notes": self.notes,
        }


def machine() -> dict[str, Any]:
    """What it was measured on."""
    return {
        "cores": len(os.sched_getaffinity(0)),
        "processor": _processor(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": dict(_versions()),
    }


def _versions() -> Iterator[tuple[str, str]]:
    yield "trio-mirror", __version__
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _processor() -> str:
    about = Path("/proc/cpuinfo").read_text().splitlines()
    named = [line.partition(":")[2].strip() for line in about if line.startswith("model name")]
    return named[0] if named else platform.machine()
