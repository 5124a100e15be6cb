"""What the README says of Slurm, on a Slurm of one node as Debian packages it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from tests.bench.nginx import free_port
from tests.helpers.pictures import is_mirrored, png
from tests.helpers.servers import PATH
from tests.test_readme import TEXT
from trio_mirror.demo.server import serve_gallery
from trio_mirror.journal import read_journal

pytestmark = pytest.mark.slow

NAMES = [f"{index:02}.png" for index in range(40)]
ARRAY = re.findall(r"`(sbatch .*?)`", TEXT)[0]
STEP = "srun --ntasks=4 sh -c 'exec trio-mirror … --shard auto/4 --journal $SLURM_PROCID.journal'"
BIN = Path(sys.executable).parent
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "unshare")
# Killed with the first process of its own namespace are its daemons and all their jobs, however the test ends.
NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
CONFIGURATION = """
ClusterName=test
SlurmctldHost=localhost(127.0.0.1)
SlurmctldPort={}
SlurmdPort={}
SlurmUser=root
AuthInfo=socket={work}/munge
StateSaveLocation={work}/state
SlurmdSpoolDir={work}/spool
SlurmctldPidFile={work}/slurmctld.pid
SlurmdPidFile={work}/slurmd.pid
SlurmctldLogFile={work}/slurmctld.log
SlurmdLogFile={work}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
NodeName=localhost CPUs=4
PartitionName=all Nodes=localhost Default=YES
"""
SCRIPT = """
trap "find $PWD -name '*.log' -o -name '*.out' | xargs tail --lines=40" EXIT
(umask 077; head -c 128 /dev/urandom >key)
munged --force --key-file=$PWD/key --socket=$PWD/munge --pid-file=$PWD/pid --seed-file=$PWD/seed --log-file=$PWD/m.log
slurmctld
slurmd -N localhost
until sinfo --noheader --format=%T | grep -q idle; do sleep 0.1; done
cd shared
"""


@pytest.fixture(autouse=True)
def can_start_slurm() -> None:
    if missing := [program for program in PROGRAMS if shutil.which(program, path=PATH) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}; on Debian: apt-get install munge slurmctld slurmd")
    if subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode:
        pytest.skip("only root may start Slurm, in a namespace of its own")
    if not (BIN / "trio-mirror").exists():
        pytest.skip("the package is not installed, so that its commands are not there")


@pytest.mark.parametrize(("line", "tasks"), [(ARRAY, 8), (STEP, 4)], ids=["array", "srun"])
async def test_the_tasks_of_a_job_mirror_each_picture_once(tmp_path: Path, line: str, tasks: int) -> None:
    for folder in ("images", "shared", "state", "spool"):
        (tmp_path / folder).mkdir()
    for name in NAMES:
        (tmp_path / "images" / name).write_bytes(png())
    (tmp_path / "conf").write_text(CONFIGURATION.format(free_port(), free_port(), work=tmp_path))
    found = {"PATH": f"{BIN}:{PATH}", "SLURM_CONF": str(tmp_path / "conf"), "SBATCH_WAIT": "1"}

    async with serve_gallery(tmp_path / "images", tmp_path / "stored") as url:
        script = SCRIPT + line.replace("…", f"{url} --to mirrored")
        with trio.fail_after(300):
            await trio.run_process(
                [*NAMESPACE, "bash", "-euc", script], cwd=tmp_path, env=os.environ | found, stdin=subprocess.DEVNULL
            )

    shards = []
    for journal in (tmp_path / "shared").glob("*.journal"):
        with read_journal(journal) as rows:
            shards.append([result.name for result in rows.results()])
    assert len(shards) == tasks
    assert all(shards)
    assert sorted(name for shard in shards for name in shard) == NAMES
    assert all(is_mirrored(png(), (tmp_path / "shared/mirrored" / name).read_bytes()) for name in NAMES)
