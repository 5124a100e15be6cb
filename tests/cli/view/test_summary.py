from __future__ import annotations

import shlex
from functools import partial
from typing import TYPE_CHECKING

import pytest

from tests.cli.view.fake_run import failed, mirrored
from trio_mirror import Outcome, Report, Settings, Stage
from trio_mirror.cli.view.next_step import next_step
from trio_mirror.cli.view.phrase import phrase
from trio_mirror.cli.view.summary import Summary
from trio_mirror.flip.jpeg import turbojpeg

if TYPE_CHECKING:
    from trio_mirror import Result


def run(*results: Result, **more: object) -> tuple[Report, str]:
    report, summary = Report(source="http://host/", target="out", **more), Summary()  # type: ignore[arg-type]
    for result in results:
        report.listed += 1
        report.add(result)
        summary.add(result)
    report.seconds = 2.0
    return report, "\n".join(line.plain for line in summary.lines(report, None, ["--include", "--shard"]))


@pytest.mark.parametrize(
    ("found", "lossless", "told"), [((), False, True), ((), True, False), (("one",), False, False)]
)
def test_where_libturbojpeg_lacks_one_line_names_it(
    monkeypatch: pytest.MonkeyPatch, found: tuple[str, ...], lossless: bool, told: bool
) -> None:
    monkeypatch.setattr(turbojpeg, "libraries", lambda: found)

    _, text = run(mirrored("photo.jpg", lossless=lossless))

    assert ("apt-get install libturbojpeg0" in text) is told


def test_it_says_outcomes_speed_bytes_and_retries() -> None:
    _, text = run(
        *[mirrored(f"{number}.png", retries=2) for number in range(3)],
        mirrored("lossy.jpg", lossless=False),
        failed("a.png", outcome=Outcome.UNKNOWN, stage=Stage.UPLOAD),
        failed("b.png", transient=True, bytes_in=100),
        failed("c.png", outcome=Outcome.SKIPPED, error=None),
    )

    assert text.splitlines()[:5] == [
        "4 mirrored of 7 listed: 3 exactly (75%), 1 re-encoded",
        (
            "1 skipped (1 mirrored before), 1 failed (1 may work later), "
            "1 unknown (sent without a response: the target may have them or not)"
        ),
        # What was skipped or failed makes no run faster, and of what failed nothing was saved.
        "2.0 s, 2.0 pictures a second, 6 requests repeated",
        "8.1 KiB in, 4.0 KiB out (4.0 KiB saved, 50.0%)",
        "http://host/ → out",
    ]


def test_where_all_went_well_it_has_four_lines() -> None:
    _, text = run(*[mirrored(f"{number}.png") for number in range(3)])

    assert len(text.splitlines()) == 4


@pytest.mark.parametrize(("exact", "said"), [(1_000, "(100%)"), (999, "(99.9%)"), (0, "(0%)")])
def test_a_share_is_all_only_of_all(exact: int, said: str) -> None:
    _, text = run(*[mirrored(str(number), lossless=number < exact) for number in range(1_000)])

    assert f" exactly {said}" in text


def test_notes_are_grouped_by_kind_with_counts_and_three_names_each() -> None:
    report, text = run(
        *[mirrored(f"{number}.jpg", notes=(f"the EXIF thumbnail was dropped: {number}",)) for number in range(5)],
        mirrored("a.jpg", notes=("not mirrored: Rectangle, XMP that cannot be read (line 1)",)),
        mirrored("b.jpg", notes=("not mirrored: XMP that cannot be read (line 2)",)),
        mirrored("c.jpg", notes=("not mirrored: a preview (mirrored, it is larger), guides",)),
    )

    assert "5 × the EXIF thumbnail was dropped\n    0.jpg, 1.jpg, 2.jpg and 2 more\n" in text
    assert "2 × not mirrored: XMP that cannot be read\n    a.jpg, b.jpg\n1 × not mirrored: Rectangle\n" in text
    assert "1 × not mirrored: a preview\n    c.jpg\n" in text
    assert "larger" not in text
    assert report.as_json()["notes"]["not mirrored: Rectangle"] == {"count": 1, "names": ["a.jpg"]}


def test_a_report_stays_small_whatever_the_flips_say() -> None:
    report, _ = run(*[mirrored(f"{number}.jpg", notes=("same", f"odd {number}")) for number in range(200)])

    assert len(report.notes) == 100
    assert (report.notes["same"].count, len(report.notes["same"].names)) == (200, 20)


def test_failures_are_grouped_by_cause_with_three_names_each() -> None:
    _, text = run(*[failed(f"{number}.png") for number in range(5)], failed("[red]\x1b[2J", "it is \x1b[31m odd"))

    assert "5 × fetch: it is missing\n    0.png, 1.png, 2.png and 2 more\n1 × fetch: it is \\x1b[31m odd" in text
    assert text.endswith("    [red]\\x1b[2J")


def test_more_failures_than_are_kept_are_counted() -> None:
    _, text = run(*[failed(f"{number}.png") for number in range(1_005)])

    assert "1,000 × fetch" in text
    assert "and 5 more failures" in text


def test_what_may_have_left_all_out_is_named() -> None:
    _, text = run()

    assert text == "http://host/: nothing to do, no pictures were listed, or --include and --shard left none."


def test_a_target_that_refuses_all_uploads_brings_a_hint() -> None:
    answers = ["405 Method Not Allowed", "501 Unsupported method"]
    refused = [failed("a.png", f"the server answered {it}", stage=Stage.UPLOAD, status=int(it[:3])) for it in answers]

    assert "hint: does the target accept POST?" in run(*refused)[1]
    assert "hint" not in run(*refused, mirrored())[1]
    assert "hint" not in run(*refused, failed("b.png"))[1]


def test_what_the_error_says_is_not_said_again() -> None:
    refused = failed("a.png", "the server answered 403", stage=Stage.UPLOAD, status=403)

    _, text = run(refused, stopped_by="error", journal="own.journal")

    assert "stopped by the error above" in text
    assert "hint" not in text
    assert "own.journal" not in text, "it has nothing to remember"
    assert "own.journal remembers" in run(refused, mirrored(), journal="own.journal")[1]


may_work = partial(failed, transient=True)


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["trio-mirror", "http://me:pw@host/a b/", "--auth", "me:pw", "--header=X: pw"])


def test_with_a_journal_the_same_command_retries_what_failed() -> None:
    report, _ = run(may_work("a.png"))

    assert next_step(report, Settings(journal="run.journal")) == (
        "to retry just those",
        "trio-mirror 'http://(hidden)@host/a b/' --auth … --header=… --retry-failed",
    )


def test_without_a_journal_a_few_failures_are_named() -> None:
    report, _ = run(may_work("a [1].png"), may_work("b.png"))

    step = next_step(report, Settings())

    assert step is not None
    assert shlex.split(step[1])[-2:] == ["--include=a [[]1].png", "--include=b.png"]


def test_names_that_are_refused_are_not_tried_again() -> None:
    refused = failed("../a.png", stage=Stage.LIST)

    assert next_step(run(refused)[0], Settings()) is None
    step = next_step(run(refused, may_work("b.png"))[0], Settings())
    assert step is not None
    assert shlex.split(step[1])[-1:] == ["--include=b.png"]
    assert "../a.png" not in step[1]


def test_names_that_cannot_be_pasted_need_a_journal() -> None:
    step = next_step(run(may_work("b\u202e.png"))[0], Settings())

    assert step is not None
    assert step[1].endswith("--journal=run.journal")


@pytest.mark.parametrize("settings", [Settings(limit=5), Settings(include=["*.png"]), Settings()])
def test_many_failures_or_a_choice_of_names_need_a_journal(settings: Settings) -> None:
    report, _ = run(*[may_work(f"{number}.png") for number in range(11)])

    step = next_step(report, settings)

    assert step is not None
    assert step[1].endswith("--journal=run.journal")


def test_what_failed_for_good_is_not_tried_again() -> None:
    assert next_step(run(failed("a.png"), mirrored())[0], Settings()) is None
    step = next_step(run(failed("a.png"), may_work("b.png"))[0], Settings())
    assert step is not None
    assert shlex.split(step[1])[-1:] == ["--include=b.png"]
    assert "a.png" not in step[1]


def test_what_was_stopped_goes_on_with_a_journal_or_without() -> None:
    report, _ = run(mirrored(), stopped_by="signal")

    step = next_step(report, Settings())
    assert step is not None
    assert step[1].endswith(" --skip-existing"), "without one, the target says what is done"
    step = next_step(report, Settings(journal="run.journal"))
    assert step is not None
    assert "--retry-failed" not in step[1]


@pytest.mark.parametrize("settings", [Settings(), Settings(journal="run.journal")])
@pytest.mark.parametrize("stopped_by", ["error", "max_failures"])
def test_what_ends_before_anything_is_done_would_end_so_again(stopped_by: str, settings: Settings) -> None:
    assert next_step(run(stopped_by=stopped_by)[0], settings) is None
    assert next_step(run(failed("a.png"), stopped_by=stopped_by)[0], settings) is None
    assert next_step(run(failed("a.png"), mirrored(), stopped_by=stopped_by)[0], settings) is not None


def test_in_place_too_what_failed_for_good_is_not_tried_again() -> None:
    assert next_step(run(failed("a.png"), mirrored(), journal="own.journal")[0], Settings()) is None
    assert next_step(run(may_work("a.png"), mirrored(), journal="own.journal")[0], Settings()) is not None


def test_when_all_is_done_there_is_nothing_to_do() -> None:
    report, _ = run(mirrored())

    assert next_step(report, Settings(journal="run.journal")) is None


def test_what_a_stop_leaves_is_counted_where_the_list_is() -> None:
    report, _ = run(mirrored(), stopped_by="deadline")

    assert "stopped by --deadline before all was done" in [it.plain for it in Summary().lines(report, None)]
    lines = [it.plain for it in Summary().lines(report, None, total=720)]
    assert "stopped by --deadline before all was done: 719 of 720 are left" in lines


@pytest.mark.parametrize(
    ("note", "shown"),
    [
        ("It was encoded again.", "it was encoded again"),
        ("the EXIF thumbnail was dropped: damaged", "the EXIF thumbnail was dropped: damaged"),
        ("EXIF is gone", "EXIF is gone"),
        ("A video stayed.", "a video stayed"),
        ("", ""),
    ],
)
def test_notes_have_one_style(note: str, shown: str) -> None:
    assert phrase(note) == shown
