"""Where redirects lead, and what goes there: credentials and custom headers stay at home."""

from __future__ import annotations

from dataclasses import replace

import httpx

from trio_mirror.galleries.http.addresses import is_private
from trio_mirror.galleries.http.errors import ExchangeError
from trio_mirror.galleries.http.exchange import Request
from trio_mirror.galleries.http.over_httpx import to_httpx
from trio_mirror.galleries.http.response import RawField, Response
from trio_mirror.galleries.urls import host_of, is_upgrade, origin, shown, written

MAX_REDIRECTS = 5

PUBLIC_ONLY = "trio_mirror.public_only"  # the extension of a request that may not be sent to a private address

# RFC 9110, sections 15.4.8 and 15.4.9: the only ones that keep any method, and the body with it.
_KEEPS_METHOD = {307, 308}


class Redirects:
    """The redirects of one request, and the cookies that are set on the way.

    Home is the origin of the gallery, and the same host over TLS. Only the header fields in ``anywhere`` go to other
    origins; where it is None, the request may not go there.

    Attributes:
        at_home: whether the request is still on its way at home; what was sent away does not come back as ours.
    """

    def __init__(self, home: httpx.URL, anywhere: list[RawField] | None) -> None:
        self.at_home = True
        self._home = home
        self._anywhere = anywhere
        self._cookies = httpx.Cookies()
        self._left = MAX_REDIRECTS

    def next_request(self, request: Request, response: Response) -> Request | None:
        """The request that a response leads to; None for a response that is the last one.

        Raises:
            ExchangeError: a GET that leads where it may not go.
        """
        is_get = request.method in {"GET", "HEAD"}
        if not is_get and (response.status not in _KEEPS_METHOD or not self._left):
            return None
        there = response.location
        if there is None:
            return None
        stays = self.at_home and (origin(there) == origin(self._home) or is_upgrade(self._home, there))
        if not is_get and not stays:
            return None
        if not self._left:
            raise ExchangeError(f"more than {MAX_REDIRECTS} redirects")
        if not stays and self._anywhere is None:
            raise ExchangeError(f"redirected to another origin, {shown(there)}, which is not followed")
        self._left -= 1
        self.at_home = stays
        return self._request_to(there, request, response)

    def _request_to(self, there: httpx.URL, request: Request, response: Response) -> Request:
        fields = request.fields
        if not self.at_home:
            assert self._anywhere is not None
            fields = [(b"Host", there.netloc), *self._anywhere]
        # A host that is not the gallery's own is looked up anew, and so is its own for TLS.
        is_away = not self.at_home or origin(there) != origin(httpx.URL(request.url))
        public_only = is_away and not response.is_private
        if public_only and is_private(host_of(there)):
            raise ExchangeError(f"redirected to {host_of(there)}, a private address, which is not followed")
        following = Request(request.method, written(there), fields, request.body, {PUBLIC_ONLY: public_only})
        return self._with_cookies(following, request, response)

    def _with_cookies(self, following: Request, request: Request, response: Response) -> Request:
        """Adds the cookies that were set so far and belong there (RFC 6265)."""
        answered = httpx.Response(response.status, headers=response.raw, request=to_httpx(request))
        self._cookies.extract_cookies(answered)
        asked = to_httpx(following)
        self._cookies.set_cookie_header(asked)
        return replace(following, fields=asked.headers.raw)
