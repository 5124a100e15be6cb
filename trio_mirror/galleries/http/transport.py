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
    if base.scheme == "https" or settings.ca_file or settings.cert:
        await home.prepare()
    if proxy_for(base) is None and base.scheme == "http":
        return _Home(base, home), elsewhere
    return home, elsewhere


class _Home:
    """Our own connections to a plain HTTP origin, and httpx's to others: its own over TLS, an issuer of tokens."""

    def __init__(self, base: httpx.URL, others: Carrier) -> None:
        self._prefix = f"{base.scheme}://{base.netloc.decode('ascii')}/"
        self._own = ConnectionPool(host_of(base), base.port or 80)
        self._others = others

    async def exchange(self, request: Request) -> Response:
        """Sends a request over the connections to its origin."""
        carrier = self._own if request.url.startswith(self._prefix) else self._others
        return await carrier.exchange(request)

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
