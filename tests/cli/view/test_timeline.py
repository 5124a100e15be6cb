from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror import Outcome, Result, Stage
from trio_mirror.cli.view.charts import chart, life, steps, strip
from trio_mirror.cli.view.timeline import MAX_POINTS, Point, Timeline


def point(time: float, count: int, **more: int) -> Point:
    plain = {"retries": 0, "in_flight": 1, "limit": 16} | more
    return Point(time=time, fetched=count, flipped=count, uploaded=count, reason=None, **plain)


def test_a_timeline_stays_small_however_long_the_run() -> None:
    timeline, time = Timeline(), 0.0
    for number in range(20_000):
        timeline.add(point(time, number))
        time += timeline.interval

    assert len(timeline.points) <= MAX_POINTS
    times = [it.time for it in timeline.points]
    assert times[0] == 0
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) == pytest.approx(timeline.interval)
    assert times[-1] >= time - 2 * timeline.interval


@given(counts=st.lists(st.integers(0, 1_000), min_size=2, max_size=500), most=st.integers(1, 200))
def test_steps_add_up_to_the_run(counts: list[int], most: int) -> None:
    points = [point(float(number), sum(counts[:number]), retries=number) for number in range(len(counts))]

    stretches = steps(points, most)

    assert len(stretches) <= most
    assert stretches[0].begin == 0
    assert stretches[-1].end == len(counts) - 1
    assert sum(it.fetch * (it.end - it.begin) for it in stretches) == pytest.approx(sum(counts[:-1]))
    assert sum(it.retries for it in stretches) == len(counts) - 1
    assert chart(stretches, "fetch", "limit").count("<path") == 2


def test_one_point_is_no_run() -> None:
    assert steps([]) == steps([point(0, 0)]) == steps([point(0, 0), point(0, 5)]) == []


def test_a_life_tells_waiting_from_working() -> None:
    result = Result(
        name="a.png",
        outcome=Outcome.MIRRORED,
        stage=Stage.UPLOAD,
        began={Stage.LIST: 1.0, Stage.FETCH: 1.5, Stage.FLIP: 3.0, Stage.UPLOAD: 3.25},
        seconds={Stage.FETCH: 1.0, Stage.FLIP: 0.25, Stage.UPLOAD: 2.0},
    )

    did = life(result)

    assert did == [("wait", 0.5), ("fetch", 1.0), ("wait", 0.5), ("flip", 0.25), ("wait", 0.0), ("upload", 2.0)]
    assert '<rect class="upload" x="562.5" width="500.0"' in strip(did, 4.0)
