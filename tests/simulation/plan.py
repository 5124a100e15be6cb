"""What is drawn of one process: its settings, the trouble that it meets, and how it ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random

# A run that is interrupted after so many steps (the power of ten) may have ended by itself.
_FIRST, _LAST = 1.0, 2.7


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """What goes wrong, as shares of all times that it may; none by itself."""

    requests: float = 0.0
    """Requests that a server spoils, and by a third as often connections that cannot be made."""
    slowest: float = 0.0
    """Seconds that a call in a thread takes at most, before and after its effect."""
    hangs: float = 0.0
    """Calls in threads that do not come back before the process ends."""
    full: float = 0.0
    """Pictures for which a disk has no room."""
    locked: float = 0.0
    """Writes that find the journal locked."""
    pauses: float = 0.0
    """Steps of tasks after which the machine is busy with something else for a moment."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What is drawn. By itself it is a run of all defaults, without any trouble, that is let alone."""

    settings: dict[str, Any] = field(default_factory=dict)
    trouble: Trouble = field(default_factory=Trouble)
    consumer: str = "takes"
    """What whoever iterates does: it ``takes`` all, ``dawdles``, ``leaves``, ``raises`` or ``drains``."""
    takes: int = 0
    """Results that it takes before it leaves, raises or drains."""
    interruptions: tuple[tuple[str, int], ...] = ()
    """``drain``, ``cancel`` and ``kill``, each after so many steps."""


def drawn_plan(chance: random.Random, *, pictures: int, may_update: bool) -> Plan:
    """Draws a plan.

    Args:
        chance: what draws.
        pictures: how many there are.
        may_update: whether there is a journal for ``update``.
    """
    choice = chance.choice
    ends = choice(("", "", "drain", "cancel", "kill", "kill", "drain cancel", "drain kill")).split()
    steps = sorted(int(10 ** chance.uniform(_FIRST, _LAST)) for _ in ends)
    return Plan(
        settings={
            "adaptive": choice((True, False)),
            "concurrency": chance.randint(1, 6),
            "deadline": choice((None, None, 0.5, 5.0, 60.0)),
            "drain": choice((0.0, 2.0, 30.0)),
            "flip_threads": chance.randint(1, 2),
            "flip_timeout": choice((1.0, 60.0)),
            "max_bytes_total": choice((None, None, None, 50)),
            "max_failures": choice((None, None, None, 1, 3)),
            "picture_timeout": choice((5.0, 600.0)),
            "rate": choice((None, None, 5.0)),
            "retries": chance.randint(0, 3),
            "retry_after_max": choice((0.0, 300.0)),
            "retry_uploads": choice(("always", "never")),
            "timeout": choice((0.5, 3.0, 30.0)),
            "update": may_update and choice((True, False)),
        },
        trouble=Trouble(
            requests=choice((0.0, 0.1, 0.3, 0.9)),
            slowest=choice((0.0, 0.01, 0.5, 3.0)),
            pauses=choice((0.0, 0.0, 0.02, 0.2)),
            **{name: choice((0.0, 0.0, 0.0, 0.05, 0.3)) for name in ("hangs", "full", "locked")},
        ),
        consumer=choice(("takes", "takes", "dawdles", "leaves", "raises", "drains")),
        takes=chance.randint(0, pictures),
        interruptions=tuple(zip(ends, steps, strict=True)),
    )
