"""Which connections lead to a gallery: our own or httpx's, by which proxy, under which certificates."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING
from urllib.request import getproxies, proxy_bypass

import httpx

from trio_mirror.errors import SettingsError
from trio_mirror.galleries.http.connection_pool import ConnectionPool
from trio_mirror.galleries.http.httpx_pool import HttpxPool
from trio_mirror.galleries.urls import host_of, parse_url
from trio_mirror.names import printable

if TYPE_CHECKING:
    from trio_mirror.settings import Settings


def open_transport(base: httpx.URL, settings: Settings, *, any_origin: bool = False) -> httpx.AsyncBaseTransport:
    """The transport for an origin: our own connections where plain HTTP goes straight to it, else httpx's.

    Args:
        base: whose scheme and host count.
        settings: which certificates are trusted.
        any_origin: whether requests may go to other origins too, which our own connections cannot.

    Raises:
        SettingsError: the certificates cannot be read, or the environment's proxy cannot be used.
    """
    proxy = _proxy_for(base)
    if base.scheme == "http" and proxy is None and not any_origin:
        return ConnectionPool()
    return HttpxPool(_tls_context(settings), proxy)


def _tls_context(settings: Settings) -> ssl.SSLContext:
    if settings.insecure or settings.ca_file is None:
        try:
            return httpx.create_ssl_context(verify=not settings.insecure)
        except OSError as error:
            variables = "SSL_CERT_FILE, SSL_CERT_DIR and SSLKEYLOGFILE"
            raise SettingsError(f"TLS cannot be set up: {error}; look at the environment's {variables}") from error
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        reason = "it holds no certificate in PEM form" if isinstance(error, ssl.SSLError) else error.strerror
        raise SettingsError(f"--ca-file: {printable(settings.ca_file)} cannot be used: {reason}") from error


def _proxy_for(origin: httpx.URL) -> str | None:
    """The proxy that the environment names for an origin (``HTTP_PROXY``, ``ALL_PROXY``, ``NO_PROXY``)."""
    proxies = getproxies()
    proxy = proxies.get(origin.scheme) or proxies.get("all")
    # What is left out is named with or without its port, and in IPv6 with or without brackets.
    if proxy is None or proxy_bypass(host_of(origin)) or proxy_bypass(origin.netloc.decode("ascii")):
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise SettingsError(f"the environment's proxy for {origin.scheme}:// is neither http:// nor https://")
    try:
        parse_url(proxy)
    except httpx.InvalidURL as error:
        # It may hold a password, so that the message does not repeat it.
        raise SettingsError(f"the environment's proxy for {origin.scheme}:// is not a valid URL") from error
    return proxy
