"""Work counted in steps of the interpreter, which are the same on every machine and under any load."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


def steps(function: Callable[[], object]) -> int:
    """How many bytecodes a call executes."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        function()
    finally:
        sys.settrace(before)
    return count


def is_linear(work: Callable[[int], Callable[[], object]], pieces: int) -> bool:
    """Whether work on twice as many pieces takes about twice the steps (four times, were it quadratic).

    Args:
        work: prepares the work on a number of pieces.
        pieces: the number to begin with.
    """
    return steps(work(2 * pieces)) < 2.5 * steps(work(pieces))
