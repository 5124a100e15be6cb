"""One machine's part of a list: decided by each name alone, so that the machines need not talk to each other."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from hashlib import blake2b

_SHARD = re.compile(r"(\d+|auto)/(\d+)", re.ASCII)


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
        raise ValueError("expected a shard, for example 2/8, or auto/8 under Kubernetes and Slurm")
    number, count = match.groups()
    return Shard(_number_from_environment() if number == "auto" else int(number), int(count))


def _number_from_environment() -> int:
    # An Indexed Job counts from 0, whatever is run again. A Slurm array has the numbers that it was given, and
    # SLURM_ARRAY_TASK_MIN is the least of those submitted now: relative to it, --array=3, which runs the third
    # task again, would be the first. So its numbers are taken as they are.
    for variable, first in (("JOB_COMPLETION_INDEX", 0), ("SLURM_ARRAY_TASK_ID", 1)):
        if text := os.environ.get(variable):
            if not text.isdecimal() or int(text) < first:
                raise ValueError(f"{variable} is {text!r}, expected a number from {first} on")
            return int(text) - first + 1
    raise ValueError(
        "auto finds neither JOB_COMPLETION_INDEX (a Kubernetes Indexed Job) nor SLURM_ARRAY_TASK_ID "
        "(sbatch --array=1-8) in the environment, expected the number itself, for example 2/8"
    )
