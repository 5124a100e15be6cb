"""One failed request, before it becomes the error of a picture, of the list or of the run."""

from __future__ import annotations

from typing import TypeVar

from trio_mirror.errors import MirrorError

_Error = TypeVar("_Error", bound=MirrorError)


class RequestError(MirrorError):
    """A request to an HTTP server or to a store failed."""

    def as_error(self, kind: type[_Error], message: str | None = None) -> _Error:
        """The same failure, as an error of another kind."""
        return kind(
            str(self) if message is None else message,
            transient=self.transient,
            retry_after=self.retry_after,
            overload=self.overload,
            refused=self.refused,
            status=self.status,
        )
