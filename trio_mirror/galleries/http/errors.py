"""How an exchange can fail: httpx's errors and the system's, in words that a user knows."""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Any, TypeVar

import httpx

from trio_mirror.errors import AccessError, MirrorError
from trio_mirror.galleries.errors import RequestError
from trio_mirror.names import printable
from trio_mirror.settings import format_size

_Error = TypeVar("_Error", bound=MirrorError)
# What OpenSSL makes of a response in plain HTTP, by its versions.
_NO_TLS = {"WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
# The alerts of a server that does not take our certificate, or misses it (RFC 8446, section 6.2).
_ABOUT_US = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)")
CERTIFICATE_HINT = "--cert and --key name the certificate to show"
PROXY_HINT = "its user and password stand before its host in HTTP_PROXY or HTTPS_PROXY"


class ExchangeError(RequestError):
    """One HTTP exchange failed.

    Attributes:
        sent: whether the whole request had left and no response came, so that the server may have acted on it.
        barred: whether TLS or a proxy refused us, so that no request to this server can work.
    """

    sent = False

    def __init__(self, message: str, *, barred: bool = False, **traits: Any) -> None:
        super().__init__(message, **traits)
        self.barred = barred

    def at(self, place: object, kind: type[_Error], message: str | None = None) -> _Error | AccessError:
        """The same failure as an error of another kind, or of the run where no request to a place can work."""
        return AccessError(f"{place} cannot be used: {self}") if self.barred else self.as_error(kind, message)


def too_large(max_bytes: int) -> ExchangeError:
    """The error of a body over ``max_bytes``."""
    return ExchangeError(f"the body is over the limit of {format_size(max_bytes)} (--max-bytes)")


class ProxiedConnectError(httpx.ConnectError):
    """No connection by way of a proxy."""


class map_exceptions:  # noqa: N801 (it reads as a function does)
    """Turns what the block raises, of httpx or of a deadline, into an `ExchangeError`."""

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        if isinstance(error, TimeoutError):
            raise ExchangeError(str(error), transient=True, overload=True) from error
        if isinstance(error, httpx.HTTPError | httpx.InvalidURL | httpx.StreamError):
            raise _exchange_error(error) from error


def _exchange_error(error: Exception) -> ExchangeError:
    if refusal := tls_refusal(error):
        return ExchangeError(f"TLS failed: {_why_no_tls(refusal)}", barred=True)
    if isinstance(error, httpx.ProxyError) and str(error).startswith("407"):
        return ExchangeError(f"{_why_not_connected(error)}; {PROXY_HINT}", barred=True)
    if isinstance(error, httpx.ConnectError | httpx.ProxyError):
        return ExchangeError(_why_not_connected(error), transient=True, overload=True)
    if isinstance(error, httpx.DecodingError):
        return ExchangeError(str(error))
    if isinstance(error, httpx.RemoteProtocolError) and "body" in str(error):
        return ExchangeError("the body ended early", transient=True)
    detail = f": {printable(str(error))}" if str(error) else ""
    passing = httpx.NetworkError | httpx.TimeoutException | httpx.RemoteProtocolError
    return ExchangeError(
        f"the connection failed ({type(error).__name__}){detail}", transient=isinstance(error, passing)
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
        return "the server there speaks no TLS; is its URL http://?"
    if _ABOUT_US.search(refusal.reason or ""):
        return f"{refusal}; {CERTIFICATE_HINT}"
    return str(refusal)


def tls_refusal(error: Exception) -> ssl.SSLError | None:
    """What kept TLS from being established, other than a connection that broke meanwhile.

    In TLS 1.3 a server looks at our certificate when we have begun to send (RFC 8446, section 2).
    """
    refusal = next((cause for cause in _causes(error) if isinstance(cause, ssl.SSLError)), None)
    if refusal is None or isinstance(refusal, ssl.SSLEOFError):
        return None
    return refusal if isinstance(error, httpx.ConnectError) or _ABOUT_US.search(refusal.reason or "") else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception, and all that led to it; of a group, the first of its members stands for all."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else cause.__cause__ or cause.__context__
