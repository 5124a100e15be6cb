"""``python -m tests.fuzz PARSER``: feeds a parser damaged pictures until it does what it must not.

What comes back must be a mirrored picture or a FlipError, within the CPU time and the memory that the input's size
allows. The first finding ends the run: it is kept, and the command that replays it is printed. What the run learnt is
kept too, and the next one goes on from it. The longest flip so far for its size is printed and kept as "slowest".
"""

from __future__ import annotations

import argparse
import contextlib
import re
import time
import warnings
import zlib
from pathlib import Path

import atheris

# First and uninstrumented: of the package only the parsers, which come next, guide the fuzzer.
import trio_mirror
from trio_mirror import Lossless
from trio_mirror.flip import sniff

with atheris.instrument_imports(include=["trio_mirror"]):
    from tests.fuzz.seeds import SEEDS

MAX_BYTES = 32 * 1024  # of an input: parsers are lost in small files as well as in large ones, and sooner
TIMEOUT = 5  # seconds an input, should it not end
SECONDS, SECONDS_PER_KB = 1.5, 0.1  # of CPU that a flip may take, under instrumentation
MEMORY = 512  # MiB that a flip may take
INTERPRETER = 192  # MiB that the instrumented interpreter takes before, at most

parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=str(__doc__).partition("\n\n")[2])
parser.add_argument("parser", choices=sorted(SEEDS), help="the container in trio_mirror.flip to test")
parser.add_argument("--minutes", type=float, default=10, help="minutes to go on for (default: %(default)s)")
parser.add_argument(
    "--corpus",
    type=Path,
    metavar="FOLDER",
    help=f"real pictures to begin with beside the drawn ones (those of at most {MAX_BYTES:,} bytes)",
)
parser.add_argument(
    "--keep",
    type=Path,
    metavar="FOLDER",
    default=Path(".fuzz"),
    help="where inputs and findings are kept (default: %(default)s)",
)
parser.add_argument("--replay", type=Path, metavar="FILE", help="flip only this finding, under the same limits")
options = parser.parse_args()

# JPEG has two routes, with libturbojpeg and without.
CHOICES = (Lossless.AUTO, Lossless.NEVER) if options.parser == "jpeg" else (Lossless.AUTO,)


def flip(data: bytes) -> None:
    """Flips one input as its parser takes it; what that raises is a finding."""
    if options.parser == "png":
        data = with_checksums(data)
    for lossless in CHOICES:
        with contextlib.suppress(trio_mirror.FlipError):
            if sniff(data) == options.parser:
                trio_mirror.flip(data, lossless=lossless)


class Costs:
    """What a flip may cost, and which one cost most CPU time a KB.

    Args:
        slowest: where its input is kept.
    """

    def __init__(self, slowest: Path) -> None:
        self._slowest = slowest
        self._most = 0.0

    def check(self, data: bytes) -> None:
        """Flips one input, and raises where it takes more than its size allows."""
        Path("/proc/self/clear_refs").write_text("5")  # the peak of the memory counts from here (proc(5))
        before, began = peak(), time.process_time()
        flip(data)
        seconds, memory, kb = time.process_time() - began, peak() - before, len(data) / 1024
        if seconds / max(kb, 1) > 1.1 * self._most:
            self._most = seconds / max(kb, 1)
            self._slowest.write_bytes(data)
            print(f"slowest so far: {1_000 * self._most:.1f} ms of CPU a KB, {len(data):,} bytes", flush=True)
        if seconds > SECONDS + SECONDS_PER_KB * kb or memory > MEMORY:
            raise AssertionError(f"{len(data):,} bytes took {seconds:.2f} s of CPU and {memory:.0f} MiB")


def peak() -> float:
    """The peak of this process's memory in MiB."""
    found = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def with_checksums(data: bytes) -> bytes:
    """Corrects the CRCs of a PNG (PNG, section 5.3), without which hardly any change gets past the first of them."""
    mended, at = bytearray(data), 8
    while (end := at + 8 + int.from_bytes(mended[at : at + 4])) + 4 <= len(mended):
        mended[end : end + 4] = zlib.crc32(mended[at + 4 : end]).to_bytes(4)
        at = end + 4
    return bytes(mended)


def prepare() -> tuple[Path, Path]:
    """Lays out the folders of the inputs, with the seeds among them, and of the findings."""
    inputs, findings = (options.keep / options.parser / name for name in ("inputs", "findings"))
    for folder in (inputs, findings):
        folder.mkdir(parents=True, exist_ok=True)
    for number, data in enumerate(SEEDS[options.parser]()):
        (inputs / f"drawn-{number}").write_bytes(data)
    real = options.corpus.iterdir() if options.corpus else ()
    for path in real:
        if path.is_file() and path.stat().st_size <= MAX_BYTES:
            (inputs / f"real-{path.name}").write_bytes(path.read_bytes())
    return inputs, findings


warnings.simplefilter("ignore")  # Pillow's, of the damage
inputs, findings = prepare()
print(f"to replay a finding: python -m tests.fuzz {options.parser} --replay {findings}/FILE", flush=True)
bounds = [
    f"-max_total_time={round(60 * options.minutes)}",
    f"-max_len={MAX_BYTES}",
    f"-timeout={TIMEOUT}",
    f"-rss_limit_mb={MEMORY + INTERPRETER}",
    f"-artifact_prefix={findings}/",
    "-print_final_stats=1",
]
atheris.Setup(["fuzz", *bounds, str(options.replay or inputs)], Costs(findings.parent / "slowest").check)
atheris.Fuzz()
