from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_mirror.errors import JournalError
from trio_mirror.journal import intents, open_journal, read_journal
from trio_mirror.model import Outcome, Result, Stage

any_name = st.text(st.characters(codec=None, exclude_categories=()), min_size=1, max_size=8)


def begin(path: Path):  # type: ignore[no-untyped-def]
    return open_journal(path, source="http://host/images/", target="/srv/mirrored")


def intent(name: str, run: str = "a run", digest: str = "0" * 64) -> Result:
    return Result(name=name, stage=Stage.UPLOAD, digest_in=digest, digest="f" * 64, run=run)


def left_by_a_kill(path: Path, folder: Path) -> dict[str, Outcome]:
    """What a journal holds if its process is killed now: a copy of its files."""
    shutil.copytree(path.parent, folder)
    with read_journal(folder / path.name) as journal:
        return {result.name: result.outcome for result in journal.results()}


@given(
    steps=st.lists(st.tuples(any_name, st.sampled_from(["intend", "intend", "confirm", "fail"])), max_size=60),
    segment=st.sampled_from([700, 1_000, 1 << 18]),
)
def test_a_kill_at_any_moment_leaves_each_picture_its_result_or_its_intent(
    steps: list[tuple[str, str]], segment: int
) -> None:
    expected: dict[str, Outcome] = {}
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(intents, "_SEGMENT", segment)
        path = Path(folder) / "run" / "journal"
        path.parent.mkdir()
        with begin(path) as journal:
            for number, (name, step) in enumerate(steps):
                # Of one name, a run may store a picture more than once.
                result = intent(name, digest=f"{number:064}")
                journal.intend(result)
                expected[name] = Outcome.UNKNOWN
                if step != "intend":
                    result.outcome = expected[name] = Outcome.MIRRORED if step == "confirm" else Outcome.FAILED
                    journal.record([result])
            killed = left_by_a_kill(path, Path(folder) / "killed")
        with read_journal(path) as journal:
            closed = {result.name: result.outcome for result in journal.results()}

    assert killed == closed == expected


def test_an_intent_of_a_later_run_counts_and_not_the_result_before_it(tmp_path: Path) -> None:
    path = tmp_path / "run" / "journal"
    path.parent.mkdir()
    with begin(path) as journal:
        before = intent("a.png", run="the first")
        before.outcome = Outcome.MIRRORED
        journal.record([before])
        journal.intend(intent("a.png", run="the second"))
        assert left_by_a_kill(path, tmp_path / "killed") == {"a.png": Outcome.UNKNOWN}


def test_an_intent_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with begin(path) as journal:
        journal.intend(intent("a.png"))
        journal.intend(intent("b.png"))
    file = intents.intents_of(path)
    file.write_bytes(file.read_bytes().replace(b"b.png", b"b.p\0\0"))
    with begin(path) as journal:
        assert [result.name for result in journal.results()] == ["a.png"]


def test_a_file_in_the_place_of_the_intents_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    begin(path).close()
    intents.intents_of(path).write_bytes(b"a letter")
    with pytest.raises(JournalError, match="journal-intents is not of a journal; move it away"):
        begin(path)
    assert intents.intents_of(path).read_bytes() == b"a letter"


def test_what_is_confirmed_takes_no_more_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intents, "_SEGMENT", 1_000)
    path = tmp_path / "journal"
    with begin(path) as journal:
        for number in range(100):
            result = intent(f"{number}.png")
            journal.intend(result)
            result.outcome = Outcome.MIRRORED
            journal.record([result])
        assert intents.intents_of(path).stat().st_size <= 2_000
    assert not intents.intents_of(path).exists()
