from __future__ import annotations

from contextlib import closing

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.pipeline.time_limit import TimeLimit


@given(blocks=st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=20))
def test_each_block_is_cut_off_at_its_deadline_and_nothing_else(blocks: list[tuple[int, int, int]]) -> None:
    async def main() -> None:
        with closing(TimeLimit()) as limit:
            for wait, lasts, seconds in blocks:
                await trio.sleep(wait)
                began = trio.current_time()
                with limit.until(began + seconds + 0.5):
                    await trio.sleep(lasts)
                assert limit.was_reached == (lasts > seconds)
                assert trio.current_time() - began == pytest.approx(min(lasts, seconds + 0.5))

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


async def test_a_block_that_ends_as_its_time_does_counts_as_whole(mock_clock: trio.testing.MockClock) -> None:
    with closing(TimeLimit()) as limit:
        with limit.until(1):
            mock_clock.jump(2)
        assert not limit.was_reached
        await trio.lowlevel.checkpoint()


async def test_an_error_and_a_cancellation_from_outside_pass(autojump_clock: trio.testing.MockClock) -> None:
    with closing(TimeLimit()) as limit:
        with pytest.raises(ZeroDivisionError), limit.until(1):
            _ = 1 // 0
        with trio.move_on_after(1) as outside, limit.until(2):
            await trio.sleep(3)
        assert outside.cancelled_caught
        assert not limit.was_reached
