from __future__ import annotations

from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.pipeline.time_limit import TimeLimit, Watch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@asynccontextmanager
async def watching() -> AsyncIterator[Watch]:
    watch = Watch()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(watch.run)
        yield watch
        nursery.cancel_scope.cancel()


Blocks = list[tuple[int, int, int]]
blocks = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=20)


@given(tasks=st.lists(blocks, max_size=4))
def test_each_block_is_cut_off_at_its_deadline_and_nothing_else(tasks: list[Blocks]) -> None:
    async def task(watch: Watch, blocks: Blocks) -> None:
        with closing(TimeLimit(watch)) as limit:
            for wait, lasts, seconds in blocks:
                await trio.sleep(wait)
                began = trio.current_time()
                with limit.until(began + seconds + 0.5):
                    await trio.sleep(lasts)
                assert limit.was_reached == (lasts > seconds)
                assert trio.current_time() - began == pytest.approx(min(lasts, seconds + 0.5))

    async def main() -> None:
        async with watching() as watch, trio.open_nursery() as nursery:
            for blocks in tasks:
                nursery.start_soon(task, watch, blocks)

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_block_that_ends_as_its_time_does_counts_as_whole(mock_clock: trio.testing.MockClock) -> None:
    async with watching() as watch:
        with closing(TimeLimit(watch)) as limit:
            with limit.until(1):
                mock_clock.jump(2)
            assert not limit.was_reached
            await trio.lowlevel.checkpoint()


async def test_an_error_and_a_cancellation_from_outside_pass(autojump_clock: trio.testing.MockClock) -> None:
    async with watching() as watch:
        with closing(TimeLimit(watch)) as limit:
            with pytest.raises(ZeroDivisionError), limit.until(1):
                _ = 1 // 0
            with trio.move_on_after(1) as outside, limit.until(2):
                await trio.sleep(3)
            assert outside.cancelled_caught
            assert not limit.was_reached
