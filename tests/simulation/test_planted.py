"""That a few seeds find each of five faults that are planted in the program: they look where such faults are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
import trio

from tests.simulation.simulation import simulate
from trio_mirror import Outcome
from trio_mirror.journal import Journal
from trio_mirror.pipeline import recorder, stages
from trio_mirror.pipeline.in_flight import InFlight
from trio_mirror.pipeline.item import Item, hand_over
from trio_mirror.pipeline.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio_mirror import Result

_SEEDS = 400


def lose_a_release(patch: pytest.MonkeyPatch) -> None:
    """The token of one picture in ten is not given back."""
    give_back = InFlight.give_back
    count = 0

    def give_most_back(self: InFlight, number: int = 1) -> None:
        nonlocal count
        count += 1
        if count % 10:
            give_back(self, number)

    patch.setattr(InFlight, "give_back", give_most_back)


def swallow_a_cancellation(patch: pytest.MonkeyPatch) -> None:
    """A picture that was cancelled on its way to the next stage is as good as handed over."""

    async def hand_over_or_not(item: Item, leaving: trio.MemorySendChannel[Item]) -> None:
        with suppress(trio.Cancelled):
            await hand_over(item, leaving)

    patch.setattr(stages, "hand_over", hand_over_or_not)


def give_a_result_twice(patch: pytest.MonkeyPatch) -> None:
    """What has failed is recorded, and once more as the run ends."""
    record = Recorder.record

    def record_and_cut_off(self: Recorder, item: Item) -> Result:
        if item.result.outcome is Outcome.FAILED:
            item.result.outcome = Outcome.UNKNOWN
            self._cut_off.append(replace(item))
        return record(self, item)

    patch.setattr(Recorder, "record", record_and_cut_off)


def write_a_row_before_its_response(patch: pytest.MonkeyPatch) -> None:
    """An intent says that its picture is mirrored."""
    intend = Journal.intend
    patch.setattr(Journal, "intend", lambda self, intent: intend(self, replace(intent, outcome=Outcome.MIRRORED)))


def shield_without_end(patch: pytest.MonkeyPatch) -> None:
    """The last rows are waited for, however long they take."""
    patch.setattr(recorder, "_AT_END", float("inf"))
    patch.setattr(recorder, "_AT_EXIT", float("inf"))


@pytest.mark.parametrize(
    "plant",
    [lose_a_release, swallow_a_cancellation, give_a_result_twice, write_a_row_before_its_response, shield_without_end],
)
def test_a_planted_fault_is_found(plant: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)

    assert any(simulate(seed).wrong for seed in range(_SEEDS))
