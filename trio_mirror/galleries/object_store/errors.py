"""What an error of a store's driver means, whichever driver it comes from."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from trio_mirror.errors import MirrorError
from trio_mirror.galleries.errors import RequestError
from trio_mirror.galleries.http.retry_after import OVERLOAD_STATUSES, TRANSIENT_STATUSES

# By name, as their packages (botocore, google-auth, azure-core, asyncssh, aiohttp, webdav4) may not be installed, and
# each driver passes on some errors of its own library as they are.
_MISSING = {"FileNotFoundError", "ResourceNotFound"}
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
_FULL = {"SFTPNoSpaceOnFilesystem", "SFTPQuotaExceeded", "InsufficientStorage"}
_NOT_REACHED = {
    "EndpointConnectionError",
    "ConnectTimeoutError",
    "ConnectionRefusedError",
    "ConnectError",
    "ConnectTimeout",
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
    "TransportError",
    "ConnectionLost",
    "TimeoutError",
    "FSTimeoutError",
}
# With what leads to it, such as "on endpoint URL:".
_URL = re.compile(r"""(?:(?:to|on|from) )?(?:the )?(?:endpoint )?(?:URL: )?"?https?://[^\s"]+"?""")


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
        raise store_error(error) from error


def store_error(error: Exception) -> StoreError:
    """What an error means, from its class, its status, and those of its causes."""
    chain = list(_chain(error))
    names = {kind.__name__ for it in chain for kind in type(it).__mro__}
    status = status_of(error)
    cause = next(filter(None, map(_cause_of, chain)), None) or _plain(error)
    # An archived object is there, but has to be restored first: a 403 like any other.
    archived = cause.startswith("InvalidObjectState")
    not_reached = bool(names & _NOT_REACHED)
    broken_off = status is None and (not_reached or bool(names & _BROKEN_OFF))
    return StoreError(
        cause,
        missing=status == 404 or bool(names & _MISSING),
        refused=not archived and (status in {401, 403} or bool(names & _REFUSED) or cause.startswith("Forbidden")),
        full=bool(names & _FULL)
        or any(isinstance(it, OSError) and it.errno in (errno.ENOSPC, errno.EDQUOT) for it in chain),
        sent=broken_off and not not_reached,
        transient=broken_off or status in TRANSIENT_STATUSES,
        overload=not_reached or "TimeoutError" in names or status in OVERLOAD_STATUSES,
    )


def status_of(error: BaseException) -> int | None:
    """The status of the HTTP response behind an error; every library has a place of its own for it."""
    for it in _chain(error):
        response = getattr(it, "response", None)
        if isinstance(response, dict):  # botocore
            found = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        else:  # azure-core, aiohttp, webdav4, gcsfs
            found = getattr(it, "status_code", None) or getattr(it, "status", None) or getattr(it, "code", None)
        # asyncssh's codes are those of SFTP, below 100.
        if isinstance(found, int) and 300 <= found < 600:
            return found
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _cause_of(error: BaseException) -> str | None:
    """The store's own code of an error and what it says to it, without the request's id, if it has a code."""
    response = getattr(error, "response", None)
    if isinstance(response, dict) and (said := response.get("Error")):  # botocore
        return f"{said.get('Code')}: {said.get('Message')}"
    if code := getattr(error, "error_code", None):  # azure-core, whose message goes on with RequestId and Time
        return f"{getattr(code, 'value', code)}: {str(error).splitlines()[0]}"
    return None


def _plain(error: BaseException) -> str:
    """The class and text of an error, less the URLs in it: equal causes read alike."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    text = " ".join(_URL.sub("", text).split()).removesuffix(":")
    # gcsfs raises OSError, where the text alone says more.
    return text if text.startswith("Forbidden") else ": ".join(filter(None, (type(error).__name__, text)))
