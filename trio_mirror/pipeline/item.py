"""One picture on its way from the list to its result."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING

from trio_mirror.model import Outcome, Picture, Result, Stage

if TYPE_CHECKING:
    from trio_mirror.errors import MirrorError
    from trio_mirror.journal import Entry


@dataclass(slots=True, eq=False)
class Journey:
    """What is known of one picture so far; the stages fill it in. Without an outcome it goes on."""

    name: str
    deadline: float = inf
    """When all of it must have ended, by Trio's clock."""
    known: Entry | None = None
    """What the journal remembers of it from before."""
    given: Result | None = None
    """Its result, where another process worked it out."""
    stage: Stage = Stage.LIST
    picture: Picture | None = None
    """As fetched, then as mirrored."""
    maybe_stored: bool = False
    """Whether the target may have it, though it has not said so."""
    outcome: Outcome | None = None
    error: str | None = None
    transient: bool = False
    attempts: int = 0
    retries: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    etag: str | None = None
    sha256: str | None = None
    lossless: bool = False
    notes: tuple[str, ...] = ()
    seconds: dict[Stage, float] = field(default_factory=dict)
    began: dict[Stage, float] = field(default_factory=dict)

    def fail(self, error: MirrorError) -> None:
        """Ends it with an error: it failed, or is unknown if the target may have it all the same."""
        self.outcome = Outcome.UNKNOWN if self.maybe_stored else Outcome.FAILED
        self.error = str(error)
        self.transient = error.transient

    def result(self) -> Result:
        """How it ended; for a journey with an outcome."""
        if self.given is not None:
            return self.given
        assert self.outcome is not None
        return Result(
            name=self.name,
            outcome=self.outcome,
            stage=self.stage,
            error=self.error,
            transient=self.transient,
            attempts=self.attempts,
            retries=self.retries,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
            etag=self.etag,
            sha256=self.sha256,
            lossless=self.lossless,
            notes=self.notes,
            seconds=self.seconds,
            began=self.began,
        )
