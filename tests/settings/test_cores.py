"""Which cores a process may use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from trio_mirror.flip.jpeg import turbojpeg
from trio_mirror.settings import Settings, available_cores
from trio_mirror.settings.cores import quotas

if TYPE_CHECKING:
    from pathlib import Path

HYBRID = "4:memory:/a\n1:cpu,cpuacct:/a/b\n0::/\n"
V1 = "cpu,cpuacct/a/b/cpu.cfs_"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/a/b\n", {"a/b/cpu.max": "150000 100000"}, [1.5]),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000", "a/cpu.max": "50000 100000"}, [0.5]),
        ("0::/a/b\n", {"a/b/cpu.max": "400000 100000", "a/cpu.max": "200000 100000"}, [4, 2]),
        ("0::/not/mounted/here\n", {"cpu.max": "100000 100000"}, [1]),
        (HYBRID, {f"{V1}quota_us": "50000", f"{V1}period_us": "100000"}, [0.5]),
        (HYBRID, {f"{V1}quota_us": "-1", f"{V1}period_us": "100000"}, []),
        (HYBRID, {"memory/a/cpu.max": "100000 100000"}, []),
        (None, {}, []),
    ],
)
def test_the_quotas_of_a_group_and_of_those_above_it_count(
    tmp_path: Path, own: str | None, files: dict[str, str], expected: list[float]
) -> None:
    root = tmp_path / "cgroup"
    if own is not None:
        (tmp_path / "own").write_text(own)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"{text}\n")

    assert list(quotas(tmp_path / "own", root)) == expected


@pytest.mark.parametrize(("quota", "cores"), [(0.5, 1), (2.5, 3), (1000.0, 8)])
def test_the_part_of_a_core_counts_as_one(monkeypatch: pytest.MonkeyPatch, quota: float, cores: int) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    monkeypatch.setattr("trio_mirror.settings.cores.quotas", lambda *_: [quota])

    assert available_cores() == cores


@pytest.mark.parametrize(
    ("cores", "processes", "without_library"), [(1, 1, 1), (2, 1, 2), (3, 1, 3), (4, 2, 4), (8, 4, 8), (128, 16, 16)]
)
def test_so_many_processes_are_chosen_as_gain_something(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, without_library: int
) -> None:
    monkeypatch.setattr("trio_mirror.settings.cores.available_cores", lambda: cores)

    monkeypatch.setattr(turbojpeg, "libraries", lambda: ("one",))
    assert Settings(processes="auto").processes == processes
    monkeypatch.setattr(turbojpeg, "libraries", tuple)
    assert Settings(processes="auto").processes == without_library
