"""One machine's part of a list: decided by each name alone, so that the machines need not talk to each other."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b

_SHARD = re.compile(r"(\d+|auto)/(\d+)", re.ASCII)
# Where schedulers say which of its tasks this one is: the variable, the first number, and what stands there outside
# of an array. By the documentation of each; where the user chooses the numbers, they are taken to begin with 1.
# SLURM_ARRAY_TASK_MIN is of no use: it is the least of those submitted now, so that relative to it --array=3, which
# runs the third task again, would be the first.
_INDEXES = (
    ("JOB_COMPLETION_INDEX", 0, ""),  # Kubernetes: Indexed Job
    ("AWS_BATCH_JOB_ARRAY_INDEX", 0, ""),  # AWS Batch: array jobs
    ("BATCH_TASK_INDEX", 0, ""),  # Google Cloud Batch: runnables
    ("CLOUD_RUN_TASK_INDEX", 0, ""),  # Google Cloud Run: jobs
    ("SLURM_ARRAY_TASK_ID", 1, ""),  # sbatch(1), --array=1-8
    ("PBS_ARRAY_INDEX", 1, ""),  # OpenPBS, PBS Professional: qsub -J 1-8
    ("PBS_ARRAYID", 1, ""),  # Torque: qsub -t 1-8
    ("LSB_JOBINDEX", 1, "0"),  # LSF: bsub -J "name[1-8]"; the least index is 1
    ("SGE_TASK_ID", 1, "undefined"),  # Grid Engine: qsub(1), -t 1-8
    ("SLURM_PROCID", 0, ""),  # srun(1); last, since the tasks of an array have it too
)


@dataclass(frozen=True, slots=True)
class Shard:
    """Part ``number`` of ``count`` parts of a list. Every name is in exactly one of them, on every machine.

    Raises:
        ValueError: the number is not from 1 to the count.
    """

    number: int
    """From 1 to ``count``."""
    count: int

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.count:
            count = self.count if self.count > 0 else 4
            raise ValueError(f"there is no part {self.number} of {self.count}, expected 1/{count} to {count}/{count}")

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def holds(self, name: str) -> bool:
        """Whether a name is in this part."""
        # Not Python's hash(), which differs from process to process. Names that are not UTF-8 hold lone surrogates.
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1


def parse_shard(text: str) -> Shard:
    """Reads ``2/8``, or ``auto/8``: which of the 8 comes from the cluster's scheduler, in the environment.

    Raises:
        ValueError: the text is not a shard, there is no such part, or the environment does not say which.
    """
    match = _SHARD.fullmatch(text.strip())
    if match is None:
        raise ValueError("expected a shard, for example 2/8, or auto/8 under a scheduler")
    number, count = match.groups()
    return Shard(_number_from_environment() if number == "auto" else int(number), int(count))


def _number_from_environment() -> int:
    for variable, first, without in _INDEXES:
        text = os.environ.get(variable, without)
        # The script of sbatch is process 0 of nothing; only srun's processes have a step.
        if text == without or (variable == "SLURM_PROCID" and "SLURM_STEP_ID" not in os.environ):
            continue
        if not text.isdecimal() or int(text) < first:
            raise ValueError(f"{variable} is {text!r}, expected a number from {first} on")
        return int(text) - first + 1
    *others, last = (variable for variable, *_ in _INDEXES)
    raise ValueError(
        f"auto finds none of {', '.join(others)} and {last} in the environment, "
        "expected the number itself, for example 2/8"
    )
