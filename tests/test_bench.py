"""The benchmark harness: that it works, and that every contender does the whole job."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
import trio
import trio.testing
from PIL import Image, ImageChops, ImageStat

from tests.bench import formats, nginx, proxy
from tests.bench.chart import chart
from tests.bench.claims import claims
from tests.bench.lineup import LINEUP, LOSSLESS, Contender, Task
from tests.bench.pictures import draw, every_format
from tests.bench.results import Entry, Results
from tests.bench.runner import running
from tests.bench.table import tables
from tests.bench.timing import BenchError, Cost, timed
from tests.bench.workloads import QUICK, workloads
from tests.helpers.pictures import decode, encode
from trio_mirror.demo.server import serve_gallery
from trio_mirror.flip import sniff

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("a.jpg", "b.jpg", "c.jpg")
MB = 1_000_000
with_nginx = pytest.mark.skipif(
    not shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), reason=nginx.HOW_TO_INSTALL
)


@pytest.fixture(params=[it for it in LINEUP if it.uploads], ids=lambda contender: contender.key)
def contender(request: pytest.FixtureRequest) -> Contender:
    present: Contender = request.param
    if reason := present.missing():
        pytest.skip(reason)
    return present


@pytest.mark.slow
async def test_every_contender_mirrors_the_whole_gallery(contender: Contender, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    pictures = {name: draw(160, 120, seed) for seed, name in enumerate(NAMES)}
    for name, picture in pictures.items():
        (folder / name).write_bytes(encode(picture, "JPEG", quality=85))

    async with serve_gallery(folder, tmp_path / "mirrored") as url:
        command = contender.command(Task(url=url, tls_url="", folder=folder, count=len(NAMES), concurrency=2))
        await trio.run_process(command)

    for name, picture in pictures.items():
        mirrored = decode((tmp_path / "mirrored" / name).read_bytes())
        assert distance(mirrored, picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)) < 10 < distance(mirrored, picture)


def distance(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures' samples, of 255."""
    means = ImageStat.Stat(ImageChops.difference(one, other)).mean
    return sum(means) / len(means)


@pytest.mark.slow
@with_nginx
def test_a_quick_run_writes_the_table_the_numbers_and_the_picture(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.bench", "--quick", "--only", "small", "latency", "list", "seconds-alone"]
    chosen = ["--contenders", "trio-mirror", "aiohttp-pillow", "--out", str(tmp_path)]
    ran = subprocess.run([*command, *chosen], capture_output=True, text=True, check=False)

    assert ran.returncode == 0, ran.stderr
    assert "aiohttp + Pillow in threads" in ran.stdout
    written = json.loads((tmp_path / "results.json").read_text())
    compared = {workload: set(entries) for workload, entries in written["workloads"].items()}
    two = {"trio-mirror", "aiohttp-pillow"}
    assert compared == {"small": two, "latency": two, "list": {"trio-mirror-dry-run"}}
    assert set(written["measurements"]) == {"seconds_alone"}
    assert ET.parse(tmp_path / "ratios.svg").getroot().tag.endswith("svg")


def test_each_format_gets_a_row(capsys: pytest.CaptureFixture[str]) -> None:
    assert formats.run(Namespace(rounds=1, side=40, only="PCX")) == 0
    titles = [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()]
    assert titles == ["CPU ms a megapixel", "PCX, photo", "PCX, screenshot"]
    shown = {sniff(picture.data) for picture in every_format(40)}
    assert shown == {"jpeg", "png", "gif", "webp", "tiff", "bmp", "netpbm", "tga", "pcx", "qoi", "heif", "ico"}


@pytest.mark.slow
@with_nginx
def test_a_contender_that_leaves_pictures_out_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nginx, "_LOGGING", 0)
    idle = replace(LOSSLESS, command=lambda _: ["true"])
    with running() as runner, pytest.raises(BenchError, match="uploaded 0 pictures, not 2"):
        runner.run(idle, "tiny", 2, 16)


def test_a_missing_nginx_is_told_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.nginx.shutil.which", lambda *_, **__: None)
    with pytest.raises(BenchError, match="apt-get install nginx-light"), nginx.serving(tmp_path, tmp_path):
        pass


def test_the_cost_of_a_command_counts_its_children(tmp_path: Path) -> None:
    burn = "import time\nwhile time.process_time() < 0.2: pass\nroom = b'x' * 50_000_000"
    parent = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}])"
    cost = timed([sys.executable, "-c", parent], tmp_path)
    assert cost.cpu >= 0.2
    assert cost.peak >= 50_000_000


def test_the_peak_of_a_command_is_not_that_of_who_measures_it(tmp_path: Path) -> None:
    ours = b"x" * (100 * MB)
    assert timed(["true"], tmp_path).peak < len(ours)


def test_a_command_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match=r"exit code 3 of sh[^\n]*\nno luck$"):
        timed(["sh", "-c", "echo no luck >&2; exit 3"], tmp_path)


async def test_the_long_line_hands_on_all_bytes_both_ways_late() -> None:
    sent = bytes(range(256)) * 4096

    async def echo(stream: trio.SocketStream) -> None:
        got = b"".join([part async for part in stream])
        await stream.send_all(got[::-1])

    async with trio.open_nursery() as nursery:
        [listener] = await nursery.start(partial(trio.serve_tcp, echo, 0, host="127.0.0.1"))
        target, port = listener.socket.getsockname()[1], nginx.free_port()
        nursery.start_soon(proxy.serve, port, target, 0.05)
        await trio.testing.wait_all_tasks_blocked()
        start = trio.current_time()
        async with await trio.open_tcp_stream("127.0.0.1", port) as client:
            await client.send_all(sent)
            await client.send_eof()
            assert b"".join([part async for part in client]) == sent[::-1]
        assert trio.current_time() - start >= 2 * 0.05
        nursery.cancel_scope.cancel()


def results_with(workload: str, **rates: float) -> Results:
    entries = {key.replace("_", "-"): Entry(100, [Cost(100 / rate, 1.0, 80 * MB)]) for key, rate in rates.items()}
    return Results(entries={workload: entries})


def test_a_claim_holds_or_not_by_the_ratio_of_the_medians() -> None:
    results = results_with("small", trio_mirror=150.0, aiohttp_pillow=100.0, xargs_curl_jpegtran=50.0)
    results.entries["small"]["trio-mirror"].runs += [Cost(1000.0, 1.0, MB), Cost(0.5, 1.0, MB)]
    held = {claim.text: (round(claim.value, 6), claim.holds) for claim in claims(results)}
    assert held == {
        "small: trio-mirror ÷ aiohttp-pillow": (1.5, True),
        "small: trio-mirror ÷ xargs-curl-jpegtran": (3.0, False),
    }


def test_a_claim_of_little_memory_is_missed_when_it_grows() -> None:
    results = Results(measurements={"peak_dry_run_few_names": 50.0 * MB, "peak_dry_run_many_names": 70.0 * MB})
    assert [claim.holds for claim in claims(results)] == [False, True]


def test_the_chart_has_a_bar_for_each_contender_as_long_as_its_ratio() -> None:
    drawn = ET.fromstring(chart(results_with("small", trio_mirror=300.0, aiohttp_pillow=100.0), workloads(QUICK)))
    bars = drawn.findall("{http://www.w3.org/2000/svg}rect")
    ours, theirs = (float(bar.attrib["width"]) for bar in bars)
    assert ours == pytest.approx(3 * theirs, rel=0.01)
    assert [bar.attrib["class"] for bar in bars] == ["ours", "others"]


def test_the_table_divides_by_what_people_would_write() -> None:
    shown = tables(results_with("small", trio_mirror=300.0, aiohttp_pillow=100.0), workloads(QUICK))
    assert "3.00 ×" in shown
    assert "small: trio-mirror ÷ aiohttp-pillow" in shown
