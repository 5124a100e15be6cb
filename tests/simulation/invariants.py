"""What holds at every end of a process, whatever has happened."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING

import trio

from tests.simulation.pictures import MIRRORED, ORIGINALS
from trio_mirror import AccessError, JournalError, ListError, Outcome, StorageError
from trio_mirror.cli.view.events import event_line
from trio_mirror.journal import COLUMNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.simulation.life import Life
    from tests.simulation.places import Places
    from tests.simulation.plan import Trouble
    from trio_mirror import Result

# Seconds in which a run has ended that was cancelled: one to write its last results, and one to close its journal.
_AT_EXIT = 2.0
# In which its iteration has ended after its deadline and its drain.
_AT_END = 1.0


def faults_of(life: Life, places: Places, before: Mapping[str, Result]) -> Iterator[str]:
    """What is wrong with an ended process, a sentence each; the journal had these rows before it."""
    yield from _of_error(life)
    if life.run is not None:
        yield from _of_results(life, places)
        yield from _of_truth(life, places, before)
        yield from _of_borrowed(life)
    yield from _of_journal(life, places, before)
    yield from _of_time(life)
    yield from faults_of_disk(places)


def _of_error(life: Life) -> Iterator[str]:
    trouble = life.plan.trouble
    may = {
        ListError: life.plan.settings,
        AccessError: trouble.requests,
        StorageError: trouble.full,
        JournalError: trouble.full or _may_lose_rows(trouble),
    }
    if life.error is not None and not may[type(life.error)]:
        yield f"it ended with {type(life.error).__name__}: {life.error}"


def _of_results(life: Life, places: Places) -> Iterator[str]:
    """One result a name; the report, the iteration and the events agree."""
    assert life.run is not None
    report, results = life.run.report, [*life.results, *life.run.late]
    names = Counter(str(result.name) for result in results)
    yield from (f"{name} has {count} results" for name, count in names.items() if count > 1)
    yield from (f"{name} was not listed" for name in names if name not in places.listed)
    counted = {outcome: getattr(report, outcome) for outcome in Outcome}
    found = Counter(result.outcome for result in results)
    if counted != {outcome: found[outcome] for outcome in Outcome}:
        yield f"the report counts {counted}, and there are {dict(found)}"
    if report.listed < len(results):
        yield f"{len(results)} results of {report.listed} names"
    is_whole = life.ended and report.stopped_by is None
    if is_whole and (report.listed != len(results) or names.keys() != places.listed):
        yield f"of {sorted(places.listed)} the results are {sorted(names)}, of {report.listed} listed"
    for event, result in zip(life.events, life.results, strict=True):
        if event | {"time": 0} != json.loads(event_line(result)) | {"time": 0}:
            yield f"{result.name} changed after it was handed out"
    for result in results:
        if result.error and "internal error" in result.error:
            yield f"{result.name}: {result.error}"


def _of_truth(life: Life, places: Places, before: Mapping[str, Result]) -> Iterator[str]:
    """What a result says of the target is so. What it had before a run counts where the journal knew of it."""
    assert life.run is not None
    mirrored = places.mirrored()
    for result in (*life.results, *life.run.late):
        name, has = result.name, result.name in mirrored
        if result.outcome in (Outcome.MIRRORED, Outcome.SKIPPED) and not has:
            yield f"{name} is {result.outcome}, and the target does not have it"
        was_unknown = name in before and before[name].outcome is Outcome.UNKNOWN
        if result.outcome is Outcome.FAILED and has and (name not in life.had or was_unknown):
            yield f"{name} is failed, and the target has it: {result.error}"


def _of_borrowed(life: Life) -> Iterator[str]:
    """Nothing borrowed stays borrowed."""
    assert life.run is not None
    state = life.run._state
    locks = {
        "of the source's throttle": state.source_throttle._turn,
        "of the target's throttle": state.target_throttle._turn,
        "of the retries": state.attempts._budget._turn,
        "of the recorder": state.recorder._lock,
    }
    yield from (f"the lock {name} is still held" for name, lock in locks.items() if lock.locked())
    if state.in_flight.count:
        yield f"{state.in_flight.count} pictures are still in flight"
    if borrowed := trio.to_thread.current_default_thread_limiter().borrowed_tokens:
        yield f"{borrowed} threads are still borrowed"


def _of_journal(life: Life, places: Places, before: Mapping[str, Result]) -> Iterator[str]:
    """The journal remembers each result, and nothing that is not so."""
    if not places.has_journal or life.run is None:
        return
    if life.run._state.recorder._unwritten:
        if not _may_lose_rows(life.plan.trouble):
            yield "results were not written"
        return
    rows = places.rows()
    results = {result.name: result for result in (*life.results, *life.run.late)}
    for name in results.keys() | rows.keys():
        result, row, row_before = results.get(name), rows.get(name), before.get(name)
        if result is None or result.outcome is Outcome.SKIPPED:
            if row != row_before and not (row and row.is_intent and result is None):
                yield f"the journal has a row of {name}, which has no result: {row}"
        elif row is None or any(getattr(row, it) != getattr(result, it) for it in COLUMNS):
            yield f"the journal has {row}, and the result is {result}"


def _may_lose_rows(trouble: Trouble) -> bool:
    return bool(trouble.locked or trouble.hangs or trouble.slowest or trouble.pauses)


def faults_of_disk(places: Places) -> Iterator[str]:
    """What is wrong with what outlives a process, however it has ended."""
    mirrored = places.mirrored()
    for name, data in places.stored().items():
        if data not in (ORIGINALS[name], MIRRORED[name]):
            yield f"{name} is neither its original nor its mirror image"
    for name, row in places.rows().items():
        if row.outcome is Outcome.MIRRORED and name not in mirrored:
            yield f"the journal says that {name} is mirrored, and it is not"
    if not places.has_journal and places.kind.journal == "automatic" and mirrored and mirrored != set(places.names):
        yield f"the journal is gone, and mirrored are {sorted(mirrored)} alone"


def _of_time(life: Life) -> Iterator[str]:
    """It ended in time."""
    # Each of the steps that are left may be followed by a pause.
    settings, slack = life.plan.settings, 1.0 + 50 * life.plan.trouble.pauses
    limit = float("inf")
    if life.cancelled:
        limit = _AT_EXIT + slack
    elif settings.get("deadline") is not None:
        dawdled = 3.0 * len(life.results) * (life.plan.consumer == "dawdles")
        limit = settings["deadline"] + settings["drain"] + _AT_END + _AT_EXIT + slack + dawdled
    if life.lasted > limit:
        yield f"it took {life.lasted:.1f} s, and should have ended within {limit:.1f} s"
