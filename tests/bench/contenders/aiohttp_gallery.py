"""Mirrors a gallery with aiohttp: so many workers, one session, the flips in a thread pool."""

from __future__ import annotations

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Flip = Callable[[bytes], bytes]


async def mirror_gallery(base: str, concurrency: int, flip: Flip) -> None:
    # The bench's certificate is its own; neither side looks at it.
    connector = aiohttp.TCPConnector(limit=concurrency, ssl=False)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
            async with session.get(base) as response:
                names = iter((await response.text()).split())
            async with asyncio.TaskGroup() as group:
                for _ in range(concurrency):
                    group.create_task(work(session, base, names, pool, flip))


async def work(
    session: aiohttp.ClientSession, base: str, names: Iterator[str], pool: ThreadPoolExecutor, flip: Flip
) -> None:
    loop = asyncio.get_running_loop()
    for name in names:
        async with session.get(base + name) as response:
            picture = await response.read()
            media_type = response.content_type
        form = aiohttp.FormData()
        mirrored = await loop.run_in_executor(pool, flip, picture)
        form.add_field("image", mirrored, filename=name, content_type=media_type)
        async with session.post(base, data=form) as response:
            await response.read()


def main(flip: Flip) -> None:
    asyncio.run(mirror_gallery(sys.argv[1], int(sys.argv[2]), flip))
