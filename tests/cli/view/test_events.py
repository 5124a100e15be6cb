from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror import Result, Stage
from trio_mirror.cli.view.events import event_line

TIMES = st.floats(0, 4e9)
BY_STAGE = st.dictionaries(st.sampled_from(Stage), TIMES)


@given(st.from_type(Result), TIMES, BY_STAGE, BY_STAGE)
def test_an_event_has_each_field_of_its_result(
    drawn: Result, time: float, seconds: dict[Stage, float], began: dict[Stage, float]
) -> None:
    result = replace(drawn, time=time, seconds=seconds, began=began)

    line = event_line(result)

    event, wanted = json.loads(line), asdict(result)
    assert line.isascii()
    assert "\n" not in line
    assert event.pop("event") == "result"
    assert event["time"].endswith("Z")
    assert datetime.fromisoformat(event.pop("time")).timestamp() == pytest.approx(wanted.pop("time"), abs=0.001)
    for key in ("seconds", "began"):
        assert event.pop(key) == pytest.approx(wanted.pop(key), abs=0.0001)
    assert event == wanted | {"notes": list(result.notes)}
