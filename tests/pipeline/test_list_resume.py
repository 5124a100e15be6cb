"""A list that breaks off is opened again, and goes on from there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.helpers.server import Server
from trio_mirror import ListError, open_mirror

if TYPE_CHECKING:
    import trio.testing

BASE = "http://gallery.example/images/"

pytestmark = pytest.mark.usefixtures("instant_flip")


class BreakingList:
    """A list of which so many bytes more are given each time that it is opened; then it breaks off."""

    def __init__(self, *texts: bytes, piece: int, most: int) -> None:
        self.texts = list(texts)
        self.piece = piece
        self.most = most
        self.opened = 0
        self.open: set[BreakingBody] = set()

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" or str(request.url) != BASE:
            return httpx.Response(200, content=b"picture")
        text = self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]
        self.opened += 1
        body = BreakingBody(self, text, self.opened * self.most)
        self.open.add(body)
        return httpx.Response(200, stream=body, headers={"Content-Type": "text/plain"})


class BreakingBody(httpx.AsyncByteStream):
    def __init__(self, listing: BreakingList, text: bytes, most: int) -> None:
        self.listing = listing
        self.text = text
        self.end = min(len(text), most)
        self.at = 0

    def __aiter__(self) -> BreakingBody:
        return self

    async def __anext__(self) -> bytes:
        if self.at < self.end:
            at, self.at = self.at, min(self.end, self.at + self.listing.piece)
            return self.text[at : self.at]
        if self.end < len(self.text):
            raise httpx.RemoteProtocolError("peer closed connection without sending complete message body")
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.listing.open.discard(self)


async def names_in(listing: BreakingList, taken: int | None = None, **choices: Any) -> list[str]:
    found = []
    async with open_mirror(BASE, transport=Server(listing.handle), concurrency=1, **choices) as results:
        async for result in results:
            found.append(result.name)
            if len(found) == taken:
                break
    assert not listing.open
    return found


@pytest.mark.parametrize("piece", [1, 7, 50, 1_000])
@pytest.mark.parametrize("most", [10, 50, 173])
async def test_a_list_that_breaks_off_goes_on_from_there(
    autojump_clock: trio.testing.MockClock, piece: int, most: int
) -> None:
    names = [f"{number}.png" for number in range(100)]
    listing = BreakingList("".join(f"{name}\n" for name in names).encode(), piece=piece, most=most)

    assert await names_in(listing, retries=1) == names
    assert listing.opened > 3


async def test_a_list_that_breaks_off_at_one_place_again_and_again_is_an_error(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listing = BreakingList(b"a.png\nb.png\n", piece=3, most=0)

    with pytest.raises(ListError, match="ended early"):
        await names_in(listing, retries=3)
    assert not listing.open
    assert listing.opened == 4


async def test_a_list_that_is_another_one_after_it_broke_off_is_an_error(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listing = BreakingList(b"a.png\nb.png\n", b"A.png\na.png\nb.png\n", piece=6, most=6)

    with pytest.raises(ListError, match="begins otherwise by now"):
        await names_in(listing)
    assert not listing.open


async def test_a_list_that_was_opened_again_and_is_left_in_the_middle_is_closed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    listing = BreakingList(b"a.png\nb.png\nc.png\nd.png\n", piece=6, most=12)

    assert await names_in(listing, taken=3) == ["a.png", "b.png", "c.png"]
    assert listing.opened == 2
