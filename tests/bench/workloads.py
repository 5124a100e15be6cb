"""What the contenders are compared on, and how much of it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.bench.lineup import DRY_RUN, LINEUP, LOSSLESS, OVER_TLS, Contender

LATENCY = 0.1
"""Seconds that the long line adds each way."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Workload:
    """One gallery, and how it is mirrored."""

    key: str
    title: str
    kind: str
    """Of the pictures; see `tests.bench.gallery.KINDS`."""
    pictures: int
    concurrency: int = 16
    delay: float = 0.0
    """Seconds added each way between the contender and the server."""
    contenders: tuple[Contender, ...] = LINEUP


@dataclass(frozen=True, kw_only=True, slots=True)
class Sizes:
    """How many pictures and runs; enough for start-up not to matter, or just enough to see that all works."""

    rounds: int
    """Times that each contender of a workload runs."""
    warm_up: int
    """Pictures of the run before the first round; 0 for none."""
    small: int
    photos: int
    mixed: int
    delayed: int
    names: int
    """Of the list that is only read."""
    mirrored_names: int
    """Of the list whose pictures are mirrored, too."""
    alone: int
    """Pictures that are mirrored one after the other over the long line."""


FULL = Sizes(
    rounds=3,
    warm_up=32,
    small=16_000,
    photos=600,
    mixed=600,
    delayed=3_000,
    names=1_000_000,
    mirrored_names=100_000,
    alone=12,
)
QUICK = Sizes(rounds=1, warm_up=0, small=32, photos=4, mixed=6, delayed=32, names=10_000, mirrored_names=200, alone=2)


def workloads(sizes: Sizes) -> tuple[Workload, ...]:
    """The workloads, in the order in which they are run."""
    jpegs_alone = tuple(it for it in LINEUP if it.key in {"trio-mirror", "aiohttp-pillow", "aiohttp-turbojpeg"})
    any_format = tuple(it for it in LINEUP if not it.jpeg_only)
    over_a_line = tuple(it for it in LINEUP if it.uploads and not it.sequential)
    return (
        Workload(key="small", title="640×480 JPEGs", kind="small", pictures=sizes.small),
        Workload(
            key="coded",
            title="640×480 JPEGs, fitted tables or progressive",
            kind="coded",
            pictures=sizes.small // 4,
            contenders=jpegs_alone,
        ),
        Workload(key="tiny", title="16×16 JPEGs", kind="tiny", pictures=sizes.small, contenders=jpegs_alone),
        Workload(key="photo", title="12-megapixel JPEGs", kind="photo", pictures=sizes.photos),
        Workload(
            key="mixed",
            title="640×480 in six formats",
            kind="mixed",
            pictures=sizes.mixed,
            contenders=any_format,
        ),
        Workload(
            key="latency",
            title=f"640×480 JPEGs, {1000 * LATENCY:.0f} ms away",
            kind="small",
            pictures=sizes.delayed,
            concurrency=64,
            delay=LATENCY,
            contenders=over_a_line,
        ),
        *(
            Workload(
                key=f"protocols{suffix}",
                title=f"640×480 JPEGs by other protocols, {1000 * delay:.0f} ms away",
                kind="small",
                pictures=pictures,
                concurrency=concurrency,
                delay=delay,
                contenders=(LOSSLESS, *OVER_TLS),
            )
            for suffix, pictures, concurrency, delay in (
                ("", sizes.small // 4, 16, 0.0),
                ("-latency", sizes.delayed, 64, LATENCY),
            )
        ),
        Workload(
            key="list",
            title="names only",
            kind="tiny",
            pictures=sizes.names,
            contenders=(DRY_RUN,),
        ),
    )
