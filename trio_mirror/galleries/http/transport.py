"""Which connections lead to a gallery, and to where it redirects: our own or httpx's, under which certificates."""

from __future__ import annotations

import os
import ssl
import sys
from functools import partial

import httpx

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.connection_pool import ConnectionPool
from trio_mirror.galleries.http.exchange import Carrier, Request
from trio_mirror.galleries.http.httpx_pool import HttpxPool
from trio_mirror.galleries.http.proxies import proxy_for
from trio_mirror.galleries.http.response import Response
from trio_mirror.galleries.urls import host_of
from trio_mirror.names import printable
from trio_mirror.settings import Settings, option_error


async def open_carriers(base: httpx.URL, settings: Settings) -> tuple[Carrier, Carrier]:
    """The carrier to a gallery, and the one to where its redirects lead, which has no client certificate.

    Raises:
        SettingsError: the certificates cannot be read, or the environment's proxy cannot be used.
    """
    home, elsewhere = (HttpxPool(partial(_tls_context, settings, shows=shows)) for shows in (True, False))
    secure = base.scheme == "https"
    context = await home.prepare() if secure or settings.ca_file or settings.cert else None
    # What truststore makes verifies nothing where the handshake is our own.
    if proxy_for(base) is None and (not secure or type(context) is ssl.SSLContext):
        return _Home(base, home, context if secure else None), elsewhere
    return home, elsewhere


class _Home:
    """Our own connections to an origin, and httpx's to others, such as an issuer of tokens.

    Over TLS, httpx's find out whether the origin speaks HTTP/1.1, and whether it lets us in.
    """

    def __init__(self, base: httpx.URL, others: HttpxPool, context: ssl.SSLContext | None) -> None:
        self._prefix = f"{base.scheme}://{base.netloc.decode('ascii')}/"
        self._own = ConnectionPool(host_of(base), base.port or (80 if context is None else 443), context)
        self._others = others
        self._is_known = context is None

    async def exchange(self, request: Request) -> Response:
        """Sends a request over the connections to its origin."""
        if not request.url.startswith(self._prefix):
            return await self._others.exchange(request)
        if self._is_known:
            return await self._own.exchange(request)
        response = await self._others.exchange(request)
        self._is_known = not self._others.http2
        return response

    async def aclose(self) -> None:
        """Closes the idle connections."""
        await self._own.aclose()
        await self._others.aclose()


def _tls_context(settings: Settings, *, shows: bool) -> ssl.SSLContext:
    """What TLS trusts, and with ``shows`` the certificate that we show."""
    context = _trusting(settings)
    if shows and settings.cert:
        try:
            # Without a password OpenSSL would ask for one at the terminal.
            context.load_cert_chain(settings.cert, settings.key, password=lambda: "")
        except (OSError, ssl.SSLError) as error:
            expected = "expected a certificate and its key in PEM form, not encrypted"
            reason = expected if isinstance(error, ssl.SSLError) else error.strerror
            files = " and ".join(printable(it) for it in (settings.cert, settings.key) if it)
            raise option_error("cert", f"{files} cannot be used: {reason}") from error
    return context


def _trusting(settings: Settings) -> ssl.SSLContext:
    if settings.ca_file and not settings.insecure:
        try:
            return ssl.create_default_context(cafile=settings.ca_file)
        except (OSError, ssl.SSLError) as error:
            reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
            raise option_error("ca_file", f"{printable(settings.ca_file)} cannot be used: {reason}") from error
    try:
        if not (settings.insecure or os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")):
            if sys.platform != "linux":
                import truststore

                return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            # On Linux truststore does no more than this, but for each connection, which takes it 0.1 s.
            context, folder = ssl.create_default_context(), ssl.get_default_verify_paths().capath
            if context.cert_store_stats()["x509_ca"] or (folder and any(os.scandir(folder))):
                return context
        # The variables' certificates; else those of certifi, where the system has none.
        return httpx.create_ssl_context(verify=not settings.insecure)
    except OSError as error:
        variables = "SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE"
        raise SettingsError(f"TLS cannot be set up: {error}; look at the environment's {variables}") from error
