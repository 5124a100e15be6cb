"""A list in parts that are mirrored apart from each other."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.cli.test_cli import cli
from tests.helpers import processes
from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import png
from tests.test_readme import README
from trio_mirror import Settings, SettingsError, Shard, mirror
from trio_mirror.cli.exits import ExitCode
from trio_mirror.demo.server import serve_gallery
from trio_mirror.distributed.job import make_job
from trio_mirror.journal import read_journal
from trio_mirror.settings.shard import parse_shard

if TYPE_CHECKING:
    from pathlib import Path

    from trio_mirror import Result

# Lone surrogates included: what is not UTF-8 in a list is in a shard, too, to be refused there.
NAMES = st.lists(st.text(st.characters(), max_size=20), unique=True)


@given(names=NAMES, count=st.integers(1, 9))
def test_the_shards_are_disjoint_and_together_the_list(names: list[str], count: int) -> None:
    shards = [[name for name in names if Shard(number, count).holds(name)] for number in range(1, count + 1)]

    assert sorted(name for shard in shards for name in shard) == sorted(names)


def test_shards_are_of_one_size_within_chance() -> None:
    sizes = [sum(Shard(number, 8).holds(f"{index:06}.jpg") for index in range(8_000)) for number in range(1, 9)]

    # Six standard deviations of the binomial distribution; the names are always the same.
    assert all(abs(size - 1_000) < 180 for size in sizes)


def test_a_name_is_in_the_same_shard_in_every_process() -> None:
    script = "from trio_mirror import Shard; print([Shard(1, 3).holds(f'{i}.png') for i in range(50)])"
    told = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=processes.ENVIRONMENT | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }

    assert told == {f"{[Shard(1, 3).holds(f'{index}.png') for index in range(50)]}\n"}


async def test_a_run_takes_its_shard_after_the_patterns_and_before_the_limit() -> None:
    names = [f"{index}.{kind}" for index in range(100) for kind in ("png", "gif")]
    gallery = MemoryGallery(names)

    report = await mirror(gallery, shard=Shard(2, 4), include=["*.png"], limit=10)

    mine = [name for name in names if name.endswith(".png") and Shard(2, 4).holds(name)]
    assert report.listed == 10
    assert sorted(gallery.stored) == sorted(mine[:10])


async def test_the_rate_is_divided_among_the_shards(autojump_clock: trio.testing.MockClock) -> None:
    # They fail before the flip: the clock does not wait for its threads.
    names = [f"missing{index}.png" for index in range(200)]

    report = await mirror(MemoryGallery(names), shard=Shard(1, 4), rate=4.0)

    # One request a second, of which the first, for the list, waits for none.
    assert report.seconds == report.failed > 20


async def test_what_failed_is_retried_in_its_shard_only(tmp_path: Path) -> None:
    journal = str(tmp_path / "run.journal")
    gallery = MemoryGallery([f"missing{index}.png" for index in range(20)])
    await mirror(gallery, journal=journal)

    parts = [(await mirror(gallery, journal=journal, retry_failed=True, shard=Shard(k, 2))).listed for k in (1, 2)]

    assert sum(parts) == 20
    assert min(parts) > 0


@pytest.mark.parametrize(
    ("environment", "number"),
    [
        ({"JOB_COMPLETION_INDEX": "0"}, 1),
        ({"JOB_COMPLETION_INDEX": "7"}, 8),
        ({"SLURM_ARRAY_TASK_ID": "1"}, 1),
        # One task run again alone is still the same part.
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "3", "SLURM_ARRAY_TASK_COUNT": "1"}, 3),
        ({"AWS_BATCH_JOB_ARRAY_INDEX": "7"}, 8),
        ({"BATCH_TASK_INDEX": "0"}, 1),
        ({"CLOUD_RUN_TASK_INDEX": "2"}, 3),
        ({"PBS_ARRAY_INDEX": "8"}, 8),
        ({"PBS_ARRAYID": "1"}, 1),
        ({"LSB_JOBINDEX": "4"}, 4),
        ({"SGE_TASK_ID": "1"}, 1),
        ({"SLURM_PROCID": "2", "SLURM_STEP_ID": "0"}, 3),
        # Every task of an array is process 0, of its script or of a step.
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_PROCID": "0", "SLURM_STEP_ID": "0"}, 3),
    ],
)
def test_the_scheduler_tells_the_number(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], number: int
) -> None:
    monkeypatch.setattr(os, "environ", environment)

    assert parse_shard("auto/8") == Shard(number, 8)


@pytest.mark.parametrize(
    "environment",
    # Jobs that are no array: LSF's, Grid Engine's, and the script of sbatch.
    [{"LSB_JOBINDEX": "0"}, {"SGE_TASK_ID": "undefined"}, {"SLURM_PROCID": "0"}],
)
def test_outside_of_an_array_there_is_no_number(monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    monkeypatch.setattr(os, "environ", environment)

    with pytest.raises(ValueError, match=r"auto finds none of JOB_COMPLETION_INDEX, .* and SLURM_PROCID"):
        parse_shard("auto/8")


@pytest.mark.parametrize(
    ("text", "environment", "said"),
    [
        ("5/4", {}, "no part 5 of 4"),
        ("0/4", {}, "no part 0 of 4"),
        ("1/0", {}, "no part 1 of 0"),
        ("1", {}, "invalid value '1': expected a shard"),
        ("auto/8", {}, "JOB_COMPLETION_INDEX"),
        ("auto/8", {"JOB_COMPLETION_INDEX": "8"}, "no part 9 of 8"),
        ("auto/8", {"SLURM_ARRAY_TASK_ID": "0"}, "SLURM_ARRAY_TASK_ID is '0'"),
    ],
)
def test_what_is_no_shard_exits_2(tmp_path: Path, text: str, environment: dict[str, str], said: str) -> None:
    empty = {"JOB_COMPLETION_INDEX": "", "SLURM_ARRAY_TASK_ID": "", "COLUMNS": "300"}

    done = cli(tmp_path, "--shard", text, **(empty | environment))

    assert done.returncode == 2
    assert "--shard" in done.stderr
    assert said in done.stderr


def test_a_library_writes_it_as_text() -> None:
    as_text: Any = "2/4"

    assert Settings(shard=as_text).shard == Shard(2, 4)
    as_text = "5/3"
    with pytest.raises(
        SettingsError, match=r"--shard: invalid value '5/3': there is no part 5 of 3, expected 1/3 to 3/3"
    ):
        Settings(shard=as_text)


def told(journal: Path) -> dict[str, Result]:
    with read_journal(journal) as rows:
        return {result.name: result for result in rows.results()}


@pytest.mark.slow
async def test_four_processes_with_four_journals_merged_equal_one_run(tmp_path: Path) -> None:
    originals, stored = tmp_path / "images", tmp_path / "stored"
    originals.mkdir()
    for index in range(60):
        (originals / f"{index:02}.png").write_bytes(png() if index % 10 else b"not a picture")
    whole = tmp_path / "whole.journal"
    journals = [tmp_path / f"{number}.journal" for number in range(1, 5)]

    async with serve_gallery(originals, stored) as url:
        one = await processes.run(url, "--json", "--journal", whole)
        pictures = {path.name: path.read_bytes() for path in stored.iterdir()}
        for path in stored.iterdir():
            path.unlink()
        four = [
            processes.start(url, "--json", "--journal", journal, "--shard", f"{number}/4")
            for number, journal in enumerate(journals, 1)
        ]
        ended = [await processes.ended(process) for process in four]

    merged = tmp_path / "merged.journal"
    merging = [
        sys.executable,
        "-c",
        "from trio_mirror.cli.journal_command import main; main()",
        "merge",
        *map(str, [merged, *journals]),
    ]
    await trio.run_process(merging, env=processes.ENVIRONMENT, capture_stdout=True)

    reports = [json.loads(it.out) for it in ended]
    assert all(0 < report["listed"] < 60 for report in reports)
    for count in ("listed", "mirrored", "failed", "bytes_in", "bytes_out"):
        assert sum(report[count] for report in reports) == json.loads(one.out)[count]
    assert {path.name: path.read_bytes() for path in stored.iterdir()} == pictures
    for name, entry in told(whole).items():
        again = told(merged)[name]
        assert (again.outcome, again.digest, again.error) == (entry.outcome, entry.digest, entry.error)
    assert told(whole).keys() == told(merged).keys()


def test_the_manifest_of_the_readme_is_an_indexed_job() -> None:
    yaml = pytest.importorskip("yaml", reason="the group test-cloud is not installed")
    manifest = yaml.safe_load((README.parent / ".github/kubernetes-job.yaml").read_text(encoding="utf-8"))
    spec = manifest["spec"]
    [container] = spec["template"]["spec"]["containers"]

    # What Kubernetes asks of a limit per index: Indexed, and pods that are not restarted (JobSpec, batch/v1).
    assert (manifest["apiVersion"], manifest["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["backoffLimitPerIndex"] > 0
    # There are as many indexes as parts.
    assert f"--shard=auto/{spec['completions']}" in container["args"]
    [fails, ignored] = spec["podFailurePolicy"]["rules"]
    assert fails["action"] == "FailIndex"
    assert fails["onExitCodes"] == {
        "containerName": container["name"],
        "operator": "In",
        "values": [ExitCode.USAGE, ExitCode.FAILED, ExitCode.ACCESS, ExitCode.UNKNOWN],
    }
    # Without its status a condition does not validate (kubernetes#131512).
    assert ignored == {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}
    # Its arguments are a command line that works.
    options = [argument for argument in container["args"] if argument.startswith("--")]
    done = cli(*options, "--show-config", JOB_COMPLETION_INDEX="7")
    assert done.returncode == 0, done.stderr
    assert 'shard = "8/8"' in done.stdout


def test_worker_processes_share_the_rate_of_their_shard() -> None:
    settings = Settings(rate=80.0, shard=Shard(1, 4), processes=2)

    shares: dict[str, Any] = {
        "in_place": False,
        "intents": False,
        "workers": 2,
        "concurrency": 8,
        "flip_threads": 1,
        "option": "--processes",
    }
    assert make_job(("in", "out"), settings, **shares).settings.rate_here == 10.0
