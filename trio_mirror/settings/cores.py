"""How many processor cores this process may keep busy.

A quota of a container (``docker --cpus``, ``limits.cpu`` of Kubernetes) is a share of time, which neither the affinity
nor `os.process_cpu_count` knows of (https://github.com/python/cpython/issues/149452).
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_OWN, _ROOT = Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")


def available_cores() -> int:
    """The processor cores that this process may use; of a quota, the part of a core counts as one."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min([allowed, *map(math.ceil, quotas(_OWN, _ROOT))])


def useful_processes() -> int:
    """How many worker processes gain something: one driver keeps sixteen at work.

    One process fills two cores; where Pillow encodes all JPEGs, whose threads wait for one another, little more than
    one.
    """
    from trio_mirror.flip.jpeg import turbojpeg  # not needed before it is asked

    filled = 2 if turbojpeg.libraries() else 1
    return min(max(1, available_cores() // filled), 16)


def quotas(own: Path, root: Path) -> Iterator[float]:
    """The quotas of a process, in cores: of its control groups and all that they are in (cgroups(7)).

    ``own`` says which they are: ``hierarchy:controllers:path``, without controllers for version 2. ``root`` is where
    they are mounted. A container may see its own at the top, whatever its path.
    """
    lines = list[str]()
    with suppress(OSError):
        lines = own.read_text().splitlines()
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers and "cpu" not in controllers.split(","):
            continue
        files = ("cpu.cfs_quota_us", "cpu.cfs_period_us") if controllers else ("cpu.max",)
        group = root / controllers / path.lstrip("/")
        for folder in (group, *group.parents):
            # Not there, or without a quota: "max", or -1.
            with suppress(OSError, ValueError):
                quota, period = " ".join((folder / it).read_text() for it in files).split()
                if int(quota) > 0:
                    yield int(quota) / int(period)
