"""The same in a few calls; the command goes on for as many as there are."""

from __future__ import annotations

import pytest

from tests.strace.rounds import CALLS, Injection, missing, play


@pytest.mark.slow
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
@pytest.mark.parametrize(
    ("place", "call"),
    [
        *(("folder", call) for call in ("pwrite64", "openat", "mkdir,mkdirat", "clone3")),
        *(("in-place", call) for call in ("rename,renameat", "write", "unlink,unlinkat", "newfstatat")),
        *(("http", call) for call in ("connect", "socket", "epoll_ctl")),
    ],
)
async def test_a_run_in_which_a_system_call_fails_ends_truly_and_the_next_one_does_the_rest(
    place: str, call: str
) -> None:
    assert await play(Injection(place, call, CALLS[call][0], 1)) == []
