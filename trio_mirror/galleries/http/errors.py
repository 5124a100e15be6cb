"""What an exchange can fail of: httpx's errors and the system's, in words that a user knows."""

from __future__ import annotations

import os
import socket
import ssl
from typing import TYPE_CHECKING, Any, TypeVar

import httpx

from trio_mirror.errors import MirrorError
from trio_mirror.names import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

# What OpenSSL makes of an answer in plain HTTP, by its versions.
_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}

_Error = TypeVar("_Error", bound=MirrorError)


class ExchangeError(MirrorError):
    """One HTTP exchange failed.

    Attributes:
        sent: whether the whole request had left and no answer came, so that the server may have acted on it.
        unauthorized: whether authentication refused us.
        untrusted: whether TLS did, so that no request to this server can work.
    """

    def __init__(self, message: str, *, unauthorized: bool = False, untrusted: bool = False, **more: Any) -> None:
        super().__init__(message, **more)
        self.sent = False
        self.unauthorized = unauthorized
        self.untrusted = untrusted

    def as_error(self, kind: type[_Error], message: str | None = None) -> _Error:
        """The same failure, as the error of a picture or of the list."""
        return kind(
            str(self) if message is None else message,
            transient=self.transient,
            retry_after=self.retry_after,
            overload=self.overload,
        )


class ProxiedConnectError(httpx.ConnectError):
    """No connection by way of a proxy."""


def translated(error: Exception) -> ExchangeError:
    """Puts one of httpx's exceptions in words that a user knows."""
    if refusal := _tls_refusal(error):
        return ExchangeError(f"TLS failed: {_why_no_tls(refusal)}", untrusted=True)
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return ExchangeError(_why_not_connected(error), transient=True, overload=True)
    if isinstance(error, httpx.RemoteProtocolError) and "body" in str(error):
        return ExchangeError("the body ended early", transient=True)
    detail = f": {printable(str(error))}" if str(error) else ""
    return ExchangeError(
        f"the connection failed ({type(error).__name__}){detail}",
        transient=isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError),
    )


def _why_not_connected(error: httpx.TransportError) -> str:
    if isinstance(error, httpx.ProxyError):
        return f"the proxy refused the connection: {printable(str(error))}"
    causes = list(_causes(error))
    # The proxy comes from the environment, where it is easily forgotten.
    proxied = isinstance(error, ProxiedConnectError)
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the name of the {'proxy' if proxied else 'host'} is unknown"
    message = "no connection by way of the environment's proxy" if proxied else "no connection"
    numbers = [cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno]
    return f"{message}: {os.strerror(numbers[-1])}" if numbers else message


def _why_no_tls(refusal: ssl.SSLError) -> str:
    if isinstance(refusal, ssl.SSLCertVerificationError):
        return f"{getattr(refusal, 'verify_message', '') or refusal}; --ca-file names certificates to trust"
    if refusal.reason in _NO_TLS:
        return "what answers there speaks no TLS; is its URL http://?"
    return str(refusal)


def _tls_refusal(error: Exception) -> ssl.SSLError | None:
    """What kept TLS from being established, other than a connection that broke meanwhile."""
    if not isinstance(error, httpx.ConnectError):
        return None
    refusal = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    return None if isinstance(refusal, ssl.SSLEOFError) else refusal


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and all that led to it; of a group, the first of its members stands for all."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
