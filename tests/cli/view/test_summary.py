from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import pytest

from tests.cli.view.fake_run import failed, mirrored
from trio_mirror import Outcome, Report, Settings, Stage
from trio_mirror.cli.view.next_step import next_step
from trio_mirror.cli.view.summary import Summary

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


def test_the_table_tells_outcomes_speed_bytes_and_retries() -> None:
    _, text = run(
        *[mirrored(f"{number}.png", retries=2) for number in range(3)],
        mirrored("lossy.jpg", lossless=False),
        failed("a.png", outcome=Outcome.UNKNOWN, stage=Stage.UPLOAD),
        failed("b.png", transient=True, bytes_in=100),
        failed("c.png", outcome=Outcome.SKIPPED, error=None),
    )

    rows = {line.split("  ")[0]: line.split()[1:] for line in text.splitlines()}
    assert rows["mirrored"] == ["4", "of", "7", "listed"]
    assert "  exactly                 3   75% of them; the others re-encoded" in text
    assert rows["skipped"][0] == rows["failed"][0] == rows["unknown"][0] == "1"
    assert rows["failed"][1:] == ["1", "may", "work", "later"]
    assert rows["retries"][0] == "6"
    assert rows["time"] == ["2.0", "s", "3.5", "pictures", "a", "second"]
    assert rows["bytes in"][1:] == ["8.1", "KiB"]
    # Of what failed, nothing was saved.
    assert rows["bytes out"][1:] == ["4.0", "KiB", "4.0", "KiB", "saved", "(50.0%)"]


@pytest.mark.parametrize(("exact", "said"), [(1_000, "100% of them"), (999, "99.9% of them"), (0, "0% of them")])
def test_a_share_is_all_only_of_all(exact: int, said: str) -> None:
    _, text = run(*[mirrored(str(number), lossless=number < exact) for number in range(1_000)])

    assert f"  {said}" in text


def test_the_slowest_requests_are_named() -> None:
    results = [mirrored(f"{number}.png", seconds={Stage.FETCH: number / 10, Stage.FLIP: 99.0}) for number in range(50)]
    results.append(mirrored("slow.png", seconds={Stage.UPLOAD: 7.0}))

    _, text = run(*results)

    assert [line.split()[-4:] for line in text.splitlines()[-3:]] == [
        ["7.00", "s", "upload", "slow.png"],
        ["4.90", "s", "fetch", "49.png"],
        ["4.80", "s", "fetch", "48.png"],
    ]


def test_notes_are_grouped_by_kind_with_counts_and_three_names_each() -> None:
    report, text = run(
        *[mirrored(f"{number}.jpg", notes=(f"the EXIF thumbnail was dropped: {number}",)) for number in range(5)],
        mirrored("a.jpg", notes=("not mirrored: Rectangle, XMP that cannot be read (line 1)",)),
        mirrored("b.jpg", notes=("not mirrored: XMP that cannot be read (line 2)",)),
    )

    assert "5 × the EXIF thumbnail was dropped\n    0.jpg, 1.jpg, 2.jpg and 2 more\n" in text
    assert "2 × not mirrored: XMP that cannot be read\n    a.jpg, b.jpg\n1 × not mirrored: Rectangle\n" in text
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
    refused = [failed("a.png", f"the server answered {answer}", stage=Stage.UPLOAD) for answer in answers]

    assert "hint: does the target accept POST?" in run(*refused)[1]
    assert "hint" not in run(*refused, mirrored())[1]
    assert "hint" not in run(*refused, failed("b.png"))[1]


@pytest.fixture(autouse=True)
def typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["trio-mirror", "http://me:pw@host/a b/", "--auth", "me:pw", "--header=X: pw"])


def test_with_a_journal_the_same_command_retries_what_failed() -> None:
    report, _ = run(failed("a.png"))

    assert next_step(report, Settings(journal="run.journal")) == (
        "to retry just those",
        "trio-mirror 'http://(hidden)@host/a b/' --auth … --header=… --retry-failed",
    )


def test_without_a_journal_a_few_failures_are_named() -> None:
    report, _ = run(failed("a [1].png"), failed("b.png"))

    step = next_step(report, Settings())

    assert step is not None
    assert shlex.split(step[1])[-2:] == ["--include=a [[]1].png", "--include=b.png"]


def test_names_that_are_refused_are_not_tried_again() -> None:
    refused = failed("../a.png", stage=Stage.LIST)

    assert next_step(run(refused)[0], Settings()) is None
    step = next_step(run(refused, failed("b.png"))[0], Settings())
    assert step is not None
    assert shlex.split(step[1])[-1:] == ["--include=b.png"]
    assert "../a.png" not in step[1]


def test_names_that_cannot_be_pasted_need_a_journal() -> None:
    step = next_step(run(failed("b\u202e.png"))[0], Settings())

    assert step is not None
    assert step[1].endswith("--journal=run.journal")


@pytest.mark.parametrize("settings", [Settings(limit=5), Settings(include=["*.png"]), Settings()])
def test_many_failures_or_a_choice_of_names_need_a_journal(settings: Settings) -> None:
    report, _ = run(*[failed(f"{number}.png") for number in range(11)])

    step = next_step(report, settings)

    assert step is not None
    assert step[1].endswith("--journal=run.journal")


def test_what_was_stopped_goes_on_with_a_journal() -> None:
    report, _ = run(mirrored(), stopped_by="signal")

    assert next_step(report, Settings()) is None
    step = next_step(report, Settings(journal="run.journal"))
    assert step is not None
    assert "--retry-failed" not in step[1]


def test_when_all_is_done_there_is_nothing_to_do() -> None:
    report, _ = run(mirrored())

    assert next_step(report, Settings(journal="run.journal")) is None
