"""What an error of a store's driver means, whichever driver it comes from."""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from trio_mirror.errors import MirrorError
from trio_mirror.galleries.errors import RequestError
from trio_mirror.galleries.http.retry_after import OVERLOAD_STATUSES, TRANSIENT_STATUSES

if TYPE_CHECKING:
    from collections.abc import Iterator

# By name, as their packages (botocore, google-auth, azure-core, asyncssh, aiohttp) may not be installed, and each
# driver passes on some errors of its own library as they are.
_REFUSED = {
    "PermissionError",
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
    "DefaultCredentialsError",
    "RefreshError",
    "ClientAuthenticationError",
    "PermissionDenied",
    "SFTPPermissionDenied",
    "HostKeyNotVerifiable",
    "SSLCertVerificationError",
}
_FULL = {"SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded"}
_NOT_REACHED = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionRefusedError",
    "ClientConnectorError",
    "ServiceRequestError",
    "gaierror",
}
_BROKEN_OFF = {
    "ConnectionError",
    "HTTPClientError",
    "ResponseStreamingError",
    "ClientConnectionError",
    "ClientPayloadError",
    "ServiceResponseError",
    "ConnectionLost",
    "TimeoutError",
    "FSTimeoutError",
}


class StoreError(RequestError):
    """One request to a store failed.

    Attributes:
        missing: whether there is no such bucket, object or file.
        full: whether there is no room left.
        sent: whether the request may have reached the store and no response came.
    """

    def __init__(self, message: str, *, missing: bool, full: bool, sent: bool, **more: Any) -> None:
        super().__init__(message, **more)
        self.missing = missing
        self.full = full
        self.sent = sent


@contextmanager
def map_exceptions() -> Iterator[None]:
    """Turns what the block raises, of any driver or of a deadline, into a `StoreError`."""
    try:
        yield
    except MirrorError:
        raise
    except Exception as error:
        raise _store_error(error) from error


def _store_error(error: Exception) -> StoreError:
    """What an error means, from its class, its status, and those of its causes."""
    chain = list(_chain(error))
    names = {kind.__name__ for it in chain for kind in type(it).__mro__}
    status = next(filter(None, map(_status_of, chain)), None)
    # An archived object is there, but has to be restored first: S3's InvalidObjectState, a 403 like any other.
    archived = any("InvalidObjectState" in str(it) for it in chain)
    not_reached = bool(names & _NOT_REACHED)
    broken_off = status is None and (not_reached or bool(names & _BROKEN_OFF))
    return StoreError(
        _message_of(error),
        missing=status == 404 or "FileNotFoundError" in names,
        refused=not archived and (status in {401, 403} or bool(names & _REFUSED)),
        full=bool(names & _FULL)
        or any(isinstance(it, OSError) and it.errno in (errno.ENOSPC, errno.EDQUOT) for it in chain),
        sent=broken_off and not not_reached,
        transient=broken_off or status in TRANSIENT_STATUSES,
        overload=not_reached or "TimeoutError" in names or status in OVERLOAD_STATUSES,
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _status_of(error: BaseException) -> int | None:
    """The status of the HTTP response behind an error; every library has a place of its own for it."""
    response = getattr(error, "response", None)
    if isinstance(response, dict):  # botocore
        found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    else:  # azure-core, aiohttp, gcsfs
        found = getattr(error, "status_code", None) or getattr(error, "status", None) or getattr(error, "code", None)
    # asyncssh's codes are those of SFTP, below 100.
    return found if isinstance(found, int) and 400 <= found < 600 else None


def _message_of(error: BaseException) -> str:
    text = " ".join((error.strerror if isinstance(error, OSError) and error.strerror else str(error)).split())
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
