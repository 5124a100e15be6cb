"""URLs whose hosts can be looked up, and their origins."""

from __future__ import annotations

from typing import TypeAlias

import httpx

Origin: TypeAlias = tuple[str, str, int | None]
"""Scheme, host and port (RFC 6454, section 4)."""


def parse_url(text: str) -> httpx.URL:
    """Reads a URL whose host can be looked up.

    Raises:
        httpx.InvalidURL: it is not in Unicode, say, or a label of its host is empty or too long.
    """
    try:
        url = httpx.URL(text)
        # What a look-up does with a name first (RFC 3490, section 4.1).
        host_of(url).encode("idna")
    except UnicodeError as error:
        raise httpx.InvalidURL(str(error)) from error
    return url


def host_of(url: httpx.URL) -> str:
    """The host as it is looked up. httpx's own decodes IDNA, and raises for what cannot be, such as "xn--0"."""
    return url.raw_host.decode("ascii")


def origin(url: httpx.URL) -> Origin:
    """The origin of a URL, with its scheme's default port filled in."""
    return url.scheme, host_of(url), url.port or {"http": 80, "https": 443}.get(url.scheme)
