"""URLs whose hosts can be looked up, and their origins."""

from __future__ import annotations

from typing import TypeAlias

import httpx

from trio_mirror.names import hide_credentials, printable

Origin: TypeAlias = tuple[str, str, int | None]  # scheme, host and port (RFC 6454, section 4)

LAST_PORT = 65_535


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


def written(url: httpx.URL) -> str:
    """A URL as a request has it: without userinfo and fragment (RFC 9110, section 4.2)."""
    return f"{url.scheme}://{(url.netloc + url.raw_path).decode('ascii')}"


def shown(url: httpx.URL) -> str:
    """A URL as people read it, without what may be credentials."""
    return printable(hide_credentials(str(url)))


def is_upgrade(here: httpx.URL, there: httpx.URL) -> bool:
    """Whether one URL is of the same host as another one in plain HTTP, and over TLS; each at its default port."""
    return (*origin(here), *origin(there)) == ("http", host_of(there), 80, "https", host_of(here), 443)


def origin(url: httpx.URL) -> Origin:
    """The origin of a URL, with its scheme's default port filled in."""
    return url.scheme, host_of(url), url.port or {"http": 80, "https": 443}.get(url.scheme)
