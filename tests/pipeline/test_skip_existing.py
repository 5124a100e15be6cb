"""``skip_existing``: what the target has by name is neither read nor replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.helpers.memory_gallery import MemoryGallery
from tests.helpers.pictures import png
from tests.helpers.server import Server
from trio_mirror import Outcome, Report, Settings, SettingsError, mirror
from trio_mirror.cli.view.next_step import next_step
from trio_mirror.cli.view.summary import Summary
from trio_mirror.model import Result

if TYPE_CHECKING:
    from pathlib import Path


class Names(MemoryGallery):
    """A source whose results are kept."""

    def __init__(self, *names: str) -> None:
        super().__init__(names)
        self.results: dict[str, Result] = {}

    async def into(self, target: Any, **choices: Any) -> dict[str, Outcome]:
        def keep(result: Result) -> None:
            self.results[result.name] = result

        await mirror(self, target, skip_existing=True, on_result=keep, **choices)
        return {name: result.outcome for name, result in sorted(self.results.items())}


async def test_a_folder_keeps_what_it_has(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.png").write_bytes(b"mine")
    (tmp_path / "link.png").symlink_to("nowhere")
    source = Names("sub/a.png", "link.png", "b.png", "../a.png", "sub")

    outcomes = await source.into(tmp_path)

    skipped, failed = Outcome.SKIPPED, Outcome.FAILED
    wanted = {"../a.png": failed, "b.png": Outcome.MIRRORED, "link.png": skipped, "sub": skipped, "sub/a.png": skipped}
    assert outcomes == wanted
    assert source.fetched == ["b.png"], "what is skipped is not downloaded"
    assert source.results["sub/a.png"].error == "the target has it"
    assert (tmp_path / "sub" / "a.png").read_bytes() == b"mine"


async def test_a_file_as_the_target_is_kept(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    for wanted in (Outcome.MIRRORED, Outcome.SKIPPED):
        results: list[Result] = []
        await mirror(tmp_path / "a.png", tmp_path / "b.png", skip_existing=True, on_result=results.append)
        assert [it.outcome for it in results] == [wanted]


@pytest.mark.parametrize("url", ["memory://skip-existing/"])
async def test_a_store_keeps_what_it_has(url: str) -> None:
    pytest.importorskip("fsspec")
    assert await Names("a.png", "sub/b.png").into(url) == dict.fromkeys(("a.png", "sub/b.png"), Outcome.MIRRORED)

    outcomes = await Names("a.png", "c.png", "sub").into(url)

    assert outcomes == {"a.png": Outcome.SKIPPED, "c.png": Outcome.MIRRORED, "sub": Outcome.MIRRORED}


async def test_an_http_target_is_asked_by_head() -> None:
    statuses = {"there.png": 200, "moved.png": 302, "gone.png": 410, "new.png": 404, "odd.png": 405}

    async def handle(request: httpx.Request) -> httpx.Response:
        name = request.url.path.rpartition("/")[2]
        location = {"location": "/images/there.png"} if name == "moved.png" else {}
        return httpx.Response(statuses[name] if request.method == "HEAD" else 200, headers=location)

    server, source = Server(handle), Names(*statuses)
    outcomes = await source.into("http://host/images/", transport=server, retries=0)

    mirrored, skipped = Outcome.MIRRORED, Outcome.SKIPPED
    assert outcomes == {
        "gone.png": mirrored,
        "moved.png": skipped,
        "new.png": mirrored,
        "odd.png": Outcome.FAILED,
        "there.png": skipped,
    }
    assert source.results["odd.png"].error == "the server answered 405 Method Not Allowed"
    assert sorted(source.fetched) == ["gone.png", "new.png"]
    assert [it.method for it in server.requests].count("POST") == 2


async def test_a_target_that_cannot_say_what_it_has_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    with pytest.raises(SettingsError, match=r"--skip-existing: .*: memory cannot say what it has"):
        await Names("a.png").into(MemoryGallery())
    with pytest.raises(SettingsError, match=r"--skip-existing: .*: in place, each picture is there"):
        await mirror(tmp_path, in_place=True, skip_existing=True, no_journal=True)
    with pytest.raises(SettingsError, match=r"--skip-existing: it does not go with --update"):
        Settings(skip_existing=True, update=True, journal="run.journal")


def test_the_summary_counts_them_and_a_stopped_run_names_the_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["trio-mirror", "http://host/", "--to", "out"])
    report, summary = Report(source="http://host/", target="out", listed=4, stopped_by="signal"), Summary()
    for number, outcome in enumerate((Outcome.MIRRORED, Outcome.SKIPPED, Outcome.SKIPPED)):
        result = Result(name=f"{number}.png", outcome=outcome, error="the target has it" if number == 1 else None)
        report.add(result)
        summary.add(result)

    step = next_step(report, Settings())
    lines = [line.plain for line in summary.lines(report, step)]

    assert "2 skipped (1 that the target has, 1 mirrored before), 1 cut off as the run was stopped" in lines
    assert lines[-1] == "to go on: trio-mirror http://host/ --to out --skip-existing"
    report.target = report.source
    assert next_step(report, Settings(no_journal=True)) is None
