"""What can go wrong with a request, and the seeded plan that says with which requests it does."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection


class Fault(StrEnum):
    """What a faulty server does to a request."""

    RESET_BEFORE = "reset-before"
    """Resets the connection in place of an answer; of an upload, before its body is read."""
    RESET_INSIDE = "reset-inside"
    """Resets the connection in the middle of the answer's body; of an upload, in the middle of its body."""
    RESET_AFTER = "reset-after"
    """Resets the connection behind the answer; of an upload, in place of the answer to what it has stored."""
    TRUNCATED = "truncated"
    """Ends the answer before its ``Content-Length``."""
    DRIPPED = "dripped"
    """Sends the answer a byte at a time; of an upload, reads it so."""
    UNAVAILABLE = "unavailable"
    """Answers 503."""
    STORM = "storm"
    """Answers 429 with a ``Retry-After`` to this request, and to all others for a while."""
    STALLED = "stalled"
    """Reads the request and never answers."""
    LOST = "lost"
    """Stores an upload and never answers."""
    WRONG_DIGEST = "wrong-digest"
    """Sends a body that its ``Content-Digest`` is not of."""
    HTML = "html"
    """Answers 200 with a page in HTML."""
    ENDLESS = "endless"
    """Sends a body that never ends."""
    BOMB = "bomb"
    """Sends a body that is small in gzip and large without."""
    NESTED_BOMB = "nested-bomb"
    """Sends a body that is small in gzip in gzip, and vast without."""
    ELSEWHERE = "elsewhere"
    """Redirects to another origin."""


LASTING = frozenset({Fault.HTML, Fault.ENDLESS, Fault.BOMB, Fault.NESTED_BOMB, Fault.ELSEWHERE})
"""What is wrong for good: no retry helps, so that these come at every attempt."""

# A picture is fetched wherever it is, and so nothing goes wrong with one that is elsewhere.
FETCH_FAULTS = tuple(fault for fault in Fault if fault not in (Fault.LOST, Fault.ELSEWHERE))
UPLOAD_FAULTS = (
    Fault.RESET_BEFORE,
    Fault.RESET_INSIDE,
    Fault.RESET_AFTER,
    Fault.DRIPPED,
    Fault.UNAVAILABLE,
    Fault.STORM,
    Fault.STALLED,
    Fault.LOST,
    Fault.ELSEWHERE,
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Draws for each picture whether its fetch and its upload go wrong, and how; the same for the same seed."""

    seed: int = 0
    share: float = 0.0
    """Of the fetches, and of the uploads, this part goes wrong."""
    fetch: Collection[Fault] = ()
    upload: Collection[Fault] = ()
    times: int = 1
    """How many attempts of one thing go wrong; what is wrong for good does so always."""

    def fault(self, method: str, name: str, attempt: int) -> Fault | None:
        """What goes wrong with an attempt, the first being 1; None for nothing."""
        faults = tuple(self.fetch if method == "GET" else self.upload)
        draw = random.Random(f"{self.seed} {method} {name}")
        if not faults or draw.random() >= self.share:
            return None
        fault = draw.choice(faults)
        return fault if fault in LASTING or attempt <= self.times else None

    def fails_for_good(self, name: str) -> bool:
        """Whether no number of attempts mirrors a picture."""
        return any(self.fault(method, name, 1) in LASTING for method in ("GET", "POST"))
