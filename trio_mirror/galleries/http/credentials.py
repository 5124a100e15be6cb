"""Who we are to a server: the credentials of requests by their scheme, and the schemes that a server asks for."""

from __future__ import annotations

import os
import re
from base64 import b64encode
from netrc import NetrcParseError

import httpx

from trio_mirror.settings import AuthType, Settings, option_error

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
# RFC 9110, section 11.6.1: a scheme is followed by nothing or by its parameters, and each of those by an equals sign.
_SCHEME = re.compile(r"(?:^|,)\s*([A-Za-z][\w-]*)(?=\s*(?:,|$)|\s+[^\s,=])")


def auth_of(url: httpx.URL, settings: Settings) -> httpx.Auth | bytes | None:
    """What authenticates requests, of the URL's own credentials or else of the settings.

    Returns:
        A scheme of httpx's, or else the value of ``Authorization``, which costs nothing for each request.

    Raises:
        SettingsError: there is no netrc file, or it is damaged.
    """
    if settings.auth_type is AuthType.NETRC:
        file = os.environ.get("NETRC")
        try:
            return httpx.NetRCAuth(file)
        except (OSError, NetrcParseError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise option_error("auth_type", f"{file or '~/.netrc'} cannot be read: {reason}") from error
    given = (url.username, url.password) if url.userinfo else settings.auth
    if given is None:
        return None
    if settings.auth_type is AuthType.BEARER:
        # RFC 6750, section 2.1.
        return b"Bearer " + as_typed(":".join(filter(None, given)))
    user, password = map(as_typed, given)
    if settings.auth_type is AuthType.DIGEST:
        return httpx.DigestAuth(user, password)
    # RFC 7617, section 2.
    return b"Basic " + b64encode(user + b":" + password)


def schemes_of(challenges: str) -> list[str]:
    """The schemes that a ``WWW-Authenticate`` or ``Proxy-Authenticate`` field asks for."""
    return list(dict.fromkeys(_SCHEME.findall(_QUOTED.sub('""', challenges))))


def as_typed(text: str) -> bytes:
    """UTF-8, in which the bytes of an argument or a variable that are none go out as they came in (PEP 383)."""
    return text.encode("utf-8", "surrogateescape")
