from __future__ import annotations

from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.galleries.dedup_window import DedupWindow


@given(size=st.integers(1, 9), numbers=st.lists(st.integers(0, 25), max_size=200))
def test_a_repeat_is_noticed_as_long_as_its_name_is_among_the_last(size: int, numbers: list[int]) -> None:
    window, last = DedupWindow(size), deque[bytes](maxlen=size)
    for number in numbers:
        name = b"%d.png" % number
        assert window.add(name) == (name not in last)
        if name not in last:
            last.append(name)
