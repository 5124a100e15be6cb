"""Pictures that are named one by one: files, a URL, standard input and output."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

import trio_mirror
from tests.cli.test_cli import cli
from tests.helpers import warm
from tests.helpers.pictures import draw, is_mirrored, png
from tests.helpers.server import Server
from trio_mirror import FetchError, SettingsError, run


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (tmp_path / "here").mkdir()
    path = tmp_path / "here" / "photo.png"
    path.write_bytes(png())
    return path


def test_a_file_goes_to_a_file(photo: Path, tmp_path: Path) -> None:
    original = photo.read_bytes()

    report = run(photo, tmp_path / "new" / "mirrored.png")

    assert is_mirrored(original, (tmp_path / "new" / "mirrored.png").read_bytes())
    assert (report.source, report.target) == (str(photo), str(tmp_path / "new" / "mirrored.png"))
    assert photo.read_bytes() == original


def test_a_file_goes_beside_itself(photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photo.parent)
    original = photo.read_bytes()

    run("photo.png", "mirrored.png", processes=2)

    assert sorted(it.name for it in photo.parent.iterdir()) == ["mirrored.png", "photo.png"]
    assert photo.read_bytes() == original
    assert is_mirrored(original, Path("mirrored.png").read_bytes())


def test_a_file_goes_into_a_folder(photo: Path, tmp_path: Path) -> None:
    run(photo, tmp_path / "out")
    # Within the source's folder too: nothing else of it is listed.
    run(photo, photo.parent / "out")
    (tmp_path / "folder.png").mkdir()
    run(photo, tmp_path / "folder.png")

    for folder in (tmp_path / "out", photo.parent / "out", tmp_path / "folder.png"):
        assert [it.name for it in folder.iterdir()] == ["photo.png"]


def test_several_files_keep_their_places_below_the_folder_that_holds_them(photo: Path, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "photo.png").write_bytes(png())
    (tmp_path / "there" / "notes.txt").write_text("some words")

    report = run([photo, *(tmp_path / "there").iterdir(), photo], tmp_path / "out")

    assert (report.mirrored, report.skipped, report.failed) == (2, 1, 0)
    out = tmp_path / "out"
    assert sorted(map(str, (it.relative_to(out) for it in out.rglob("*.png")))) == ["here/photo.png", "there/photo.png"]


def test_a_file_is_replaced_where_that_is_wished(photo: Path) -> None:
    original = photo.read_bytes()
    with pytest.raises(SettingsError, match=r"photo\.png; add --to FOLDER to keep them, or --in-place"):
        run(photo)
    with pytest.raises(SettingsError, match="--in-place"):
        run([photo, Path("/dev/null")])
    assert photo.read_bytes() == original

    run(photo, in_place=True)

    assert is_mirrored(original, photo.read_bytes())
    assert [it.name for it in photo.parent.iterdir()] == ["photo.png"]


def test_a_picture_leaves_the_journal_of_its_folder_alone(photo: Path, tmp_path: Path) -> None:
    """The folder's run was interrupted: what it has mirrored may not be flipped back by the run that goes on."""
    (photo.parent / "broken.png").write_bytes(b"broken")
    run(photo.parent, in_place=True)
    mirrored = photo.read_bytes()
    (photo.parent / "other.png").write_bytes(png())

    run(photo.parent / "other.png", in_place=True)
    assert (tmp_path / ".here.trio-mirror-journal").exists()
    run(photo.parent, in_place=True)

    assert photo.read_bytes() == mirrored


def test_the_url_of_one_picture_is_one_picture(tmp_path: Path) -> None:
    async def respond(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "Basic bWU6c2VjcmV0"
        assert request.url.raw_path == b"/images/a%20b.png?size=full"
        return httpx.Response(200, content=png())

    url = "http://me:secret@host/images/a%20b.png?size=full"
    report = run(url, tmp_path / "mirrored.png", transport=Server(respond))
    run(url, tmp_path / "out", transport=Server(respond))

    assert report.mirrored == 1
    assert "secret" not in report.source
    assert is_mirrored(png(), (tmp_path / "mirrored.png").read_bytes())
    assert [it.name for it in (tmp_path / "out").iterdir()] == ["a b.png"]


def test_standard_input_goes_to_standard_output() -> None:
    done = warm.run("-", "--to", "-", given=png())

    assert done.returncode == 0, done.stderr
    assert is_mirrored(png(), done.stdout)


def test_standard_input_and_output_go_with_files(photo: Path, tmp_path: Path) -> None:
    assert warm.run("-", "--to", tmp_path / "mirrored.png", given=png()).returncode == 0
    assert is_mirrored(png(), (tmp_path / "mirrored.png").read_bytes())

    done = warm.run(photo, "--to", "-")
    assert is_mirrored(photo.read_bytes(), done.stdout)


def test_a_filter_that_fails_says_so_and_writes_nothing() -> None:
    done = warm.run("-", "--to", "-", given=b"some words")

    assert (done.returncode, done.stdout) == (3, b"")
    assert b"standard input: failed at flip: the body is text, not a picture" in done.stderr

    done = warm.run("-", "--to", "-", "--max-bytes", "1KB", given=bytes(2_000))
    assert b"over the limit" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["photo.png", "--to", "mirrored.jpg"],
            "--to: a picture keeps its format; expected a name that ends",
        ),
        (["photo.png", "mirrored.png"], "there is no file mirrored.png; write a target as --to mirrored.png"),
        ([".", "out"], ".: expected one SOURCE, or files alone; write a target as --to out"),
        (["photo.png", "..", "--to", "out"], "..: expected one SOURCE, or files alone\n"),
        (["-"], "--base: standard input is one picture without it, and goes to a file (--to"),
        (["-", "--to", "out"], "--base: standard input is one picture without it"),
        ([".", "--to", "-"], "--to: standard output takes one picture"),
        (["photo.png", "photo.png", "b.png", "--to", "-"], "--to: standard output takes one picture"),
        (["photo.png", "--to", "-", "--json"], "--to: the picture goes to stdout"),
        (["--to", "out"], "--to: SOURCE is missing, expected what to mirror, as in trio-mirror ./photos --to out"),
    ],
)
def test_what_does_not_go_together_is_said(
    photo: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(photo.parent)

    done = cli(*arguments)

    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: {said}" in done.stderr
    assert [it.name for it in photo.parent.iterdir()] == ["photo.png"]


def test_a_file_that_is_missing_fails_alone(photo: Path, tmp_path: Path) -> None:
    report = run([photo, photo.parent / "missing.png"], tmp_path / "out")

    assert (report.mirrored, report.failed) == (1, 1)
    [failure] = report.failures
    assert (failure.name, failure.error) == ("missing.png", "it cannot be read: No such file or directory")


def test_flip_takes_a_path(photo: Path) -> None:
    assert trio_mirror.flip(photo) == trio_mirror.flip(str(photo)) == trio_mirror.flip(photo.read_bytes())
    with pytest.raises(FetchError, match=r"missing\.png cannot be read: No such file or directory"):
        trio_mirror.flip(photo.parent / "missing.png")


@pytest.mark.parametrize(("given", "kind"), [(7, "int"), (None, "NoneType"), (draw(4, 4), "PIL.Image.Image")])
def test_flip_says_what_it_was_given(given: object, kind: str) -> None:
    with pytest.raises(TypeError, match=f"or the path of its file, and not {kind}$"):
        trio_mirror.flip(given)  # type: ignore[arg-type]
