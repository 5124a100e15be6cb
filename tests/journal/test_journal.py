from __future__ import annotations

import itertools
import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trio_mirror.errors import JournalError
from trio_mirror.journal import Journal, merge_journals, open_journal, read_journal
from trio_mirror.model import Outcome, Result, Stage

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SOURCE, TARGET = "http://host/images/", "/srv/mirrored"
NOBODY = 65534

any_text = st.text(st.characters(codec=None, exclude_categories=()), max_size=20)
entries_of_any_kind = st.builds(
    Result,
    name=any_text,
    outcome=st.sampled_from(Outcome),
    stage=st.sampled_from(Stage),
    error=st.none() | any_text.filter(bool),
    attempts=st.integers(0, 2**31),
    etag=st.none() | any_text.filter(bool),
    bytes_in=st.integers(0, 2**62),
    bytes_out=st.integers(0, 2**62),
    digest=st.none() | st.text("0123456789abcdef", min_size=32, max_size=32),
    time=st.floats(0, 2e10),
)
# Few names, times and details, so that they clash.
entries_that_clash = st.builds(
    Result,
    name=st.sampled_from("abc"),
    outcome=st.sampled_from(Outcome),
    stage=st.sampled_from([Stage.FLIP, Stage.UPLOAD]),
    error=st.sampled_from([None, "broken"]),
    attempts=st.integers(1, 2),
    time=st.sampled_from([1.0, 1.5]),
)


def begin(path: Path) -> Journal:
    return open_journal(path, source=SOURCE, target=TARGET)


def mirrored(name: str, time: float = 1.0) -> Result:
    return Result(name=name, outcome=Outcome.MIRRORED, stage=Stage.UPLOAD, attempts=2, time=time)


def failed(name: str, time: float = 1.0) -> Result:
    return Result(name=name, outcome=Outcome.FAILED, stage=Stage.FETCH, error="404 Not Found", attempts=1, time=time)


def content(path: Path) -> list[Result]:
    with read_journal(path) as journal:
        return list(journal.results())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal"


# What it remembers


@settings(deadline=None, max_examples=30)
@given(st.lists(entries_of_any_kind, max_size=20, unique_by=lambda entry: entry.name), any_text, any_text)
def test_everything_comes_back_as_it_was_recorded(entries: list[Result], source: str, target: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with open_journal(path, source=source, target=target) as journal:
            journal.record(entries)
            assert [journal.find(entry.name) for entry in entries] == entries

        with read_journal(path) as reader:
            assert (reader.source, reader.target) == (source, target)
            assert list(reader.results()) == sorted(entries, key=lambda entry: entry.name)


def test_names_that_are_not_utf_8_are_kept_apart(path: Path) -> None:
    names = [os.fsdecode(b"caf\xe9.png"), "café.png", "caf\udcc3\udca9.png", "\ud800", "\0", "a\0b", "a", "", "🐈"]

    with begin(path) as journal:
        journal.record([mirrored(name, time=index) for index, name in enumerate(names)])
        found = [journal.find(name) for name in names]

    assert [(entry.name, entry.time) for entry in found if entry] == [(name, i) for i, name in enumerate(names)]


def test_what_was_recorded_last_replaces_what_was_before(path: Path) -> None:
    with begin(path) as journal:
        journal.record([mirrored("a", time=5.0), failed("b")])
        # The clock was set back in between.
        journal.record([failed("a", time=4.0)])

    assert content(path) == [failed("a", time=4.0), failed("b")]


def test_a_name_that_was_never_recorded_is_not_found(path: Path) -> None:
    with begin(path) as journal:
        journal.record([mirrored("a")])

        assert journal.find("A") is None


def test_the_next_run_goes_on_with_the_same_journal(path: Path) -> None:
    with begin(path) as journal:
        journal.record([mirrored("a")])
    with begin(path) as journal:
        assert journal.find("a") == mirrored("a")
        journal.record([mirrored("b")])

    assert content(path) == [mirrored("a"), mirrored("b")]


def test_at_rest_it_is_one_file_and_its_lock(path: Path) -> None:
    with begin(path) as journal:
        journal.record([mirrored("a")])
        assert content(path) == [mirrored("a")]

    assert {found.name for found in path.parent.iterdir()} == {"journal", "journal-lock"}


def test_any_sqlite_shell_shows_whole_rows(path: Path) -> None:
    with begin(path) as journal:
        journal.record([replace(failed("a", time=1.25), etag='"1"', bytes_in=7)])

    shell = sqlite3.connect(path)
    [row] = shell.execute("SELECT * FROM results").fetchall()
    shell.close()

    assert row == (
        SOURCE, TARGET, "a", "failed", "fetch", "404 Not Found", 1, '"1"', 7, 0, "", "", 0, "1970-01-01T00:00:01.250Z"
    )  # fmt: skip


def test_entries_come_by_outcome_in_the_order_of_names_over_many_pages(path: Path) -> None:
    entries = [failed(f"{i:04}") if i % 3 else mirrored(f"{i:04}") for i in range(2_000)]
    entries[7] = replace(entries[7], outcome=Outcome.UNKNOWN)
    entries[8] = replace(entries[8], outcome=Outcome.SKIPPED)
    with begin(path) as journal:
        journal.record(random.Random(0).sample(entries, len(entries)))

        for outcomes in itertools.chain.from_iterable(itertools.combinations(Outcome, n) for n in range(5)):
            expected = [entry for entry in entries if entry.outcome in outcomes]
            assert list(journal.results(outcomes)) == expected
            assert list(journal.names(outcomes)) == [entry.name for entry in expected]


def test_no_name_comes_twice_while_the_results_of_its_retry_are_recorded(path: Path) -> None:
    names = [f"{i:04}" for i in range(1_000)]
    taken = []
    with begin(path) as journal:
        journal.record(map(failed, names))

        for name in journal.names({Outcome.FAILED, Outcome.UNKNOWN}):
            taken.append(name)
            journal.record([replace(failed(name), outcome=random.Random(name).choice(list(Outcome)))])

    assert taken == names


def test_the_summary_counts(path: Path) -> None:
    with begin(path) as journal:
        empty = journal.summary()
        journal.record([replace(mirrored("a", time=60.0), bytes_in=5, bytes_out=7), failed("b", time=120.0)])
        journal.record([replace(failed("c", time=3600.0), bytes_in=1)])
        full = journal.summary()

    assert (empty.first, empty.last, set(empty.counts.values())) == (None, None, {0})
    assert full.counts == {Outcome.MIRRORED: 1, Outcome.SKIPPED: 0, Outcome.FAILED: 2, Outcome.UNKNOWN: 0}
    assert (full.source, full.target, full.bytes_in, full.bytes_out) == (SOURCE, TARGET, 6, 7)
    assert (full.first, full.last) == ("1970-01-01T00:01:00Z", "1970-01-01T01:00:00Z")


def test_a_reader_does_not_wait_for_the_writer(path: Path) -> None:
    asked, answered = threading.Event(), threading.Event()

    def slow() -> Iterator[Result]:
        yield mirrored("b")
        asked.set()
        assert answered.wait(30)
        yield mirrored("c")

    with begin(path) as journal:
        journal.record([mirrored("a")])
        writer = threading.Thread(target=journal.record, args=[slow()])
        writer.start()
        assert asked.wait(30)
        # The transaction of the writer is open now, and ends only after these.
        during = [journal.find("a"), journal.find("b")], content(path)
        answered.set()
        writer.join()

        assert during == ([mirrored("a"), None], [mirrored("a")])
        assert journal.find("c") == mirrored("c")


# What it refuses


def refusal(path: Path) -> str:
    """What the refusal to open a journal says, to a run and to a reader alike."""
    before = path.read_bytes() if os.path.isfile(path) else None  # noqa: PTH113 (this one never raises)
    with pytest.raises(JournalError) as of_run:
        begin(path)
    with pytest.raises(JournalError) as of_reader:
        read_journal(path)
    assert str(of_run.value) == str(of_reader.value)
    assert before is None or path.read_bytes() == before
    return str(of_run.value)


@pytest.mark.parametrize(
    "data", [b"\n", b"a list\n", b"\x89PNG" * 1_000, b"SQLite format 3\0", bytes(100), bytes(8192)]
)
def test_a_file_that_is_not_sqlite_is_refused_and_left_alone(path: Path, data: bytes) -> None:
    path.write_bytes(data)

    assert f"{path} is no SQLite file" in refusal(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_an_sqlite_file_of_something_else_is_refused_and_left_alone(path: Path, mode: str) -> None:
    stranger = sqlite3.connect(path)
    stranger.execute(f"PRAGMA journal_mode = {mode}")
    stranger.execute("CREATE TABLE contacts (name)")
    stranger.commit()
    stranger.close()

    assert f"{path} is an SQLite file of something else" in refusal(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(("source", "target"), [("http://other/", TARGET), (SOURCE, "/srv/other")])
def test_the_journal_of_other_galleries_is_refused(path: Path, source: str, target: str) -> None:
    begin(path).close()

    with pytest.raises(JournalError, match="is the journal of") as refused:
        open_journal(path, source=source, target=target)

    assert all(part in str(refused.value) for part in (str(path), SOURCE, TARGET, source, target))
    begin(path).close()


@pytest.mark.parametrize(("version", "age"), [(99, "a newer"), (1, "an older")])
def test_the_journal_of_another_format_is_refused(path: Path, version: int, age: str) -> None:
    begin(path).close()
    other = sqlite3.connect(path)
    other.execute(f"PRAGMA user_version = {version}")
    other.execute("DROP TABLE meta")
    other.close()

    assert f"{path} was written by {age} trio-mirror (format {version}" in refusal(path)


def test_a_journal_without_its_tables_is_refused(path: Path) -> None:
    begin(path).close()
    vandal = sqlite3.connect(path)
    vandal.executescript("DROP VIEW results; DROP TABLE meta; DROP TABLE pictures")
    vandal.execute("CREATE TABLE x (y)")
    vandal.close()

    assert "is damaged" in refusal(path)


def test_a_folder_is_refused(path: Path) -> None:
    path.mkdir()

    assert f"{path} is a folder" in refusal(path)


def test_a_device_is_refused_at_once() -> None:
    assert "/dev/zero is no ordinary file" in refusal(Path("/dev/zero"))


def test_a_pipe_is_refused_at_once(path: Path) -> None:
    os.mkfifo(path)

    assert "is no ordinary file" in refusal(path)


def test_a_journal_in_a_folder_that_does_not_exist_is_refused(path: Path) -> None:
    assert f"{path / 'journal'} cannot be opened: there is no folder {path}" in refusal(path / "journal")


def test_a_name_that_is_too_long_is_refused(path: Path) -> None:
    assert "x" * 300 in refusal(path.parent / ("x" * 300))


def test_only_a_run_begins_a_journal(path: Path) -> None:
    with pytest.raises(JournalError, match="does not exist"):
        read_journal(path)
    path.touch()
    with pytest.raises(JournalError, match="is empty"):
        read_journal(path)

    begin(path).close()

    assert content(path) == []


@contextmanager
def without_privileges() -> Iterator[None]:
    """Lets the permissions of files hold for root, too."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.mark.parametrize("read_only", ["the file", "the folder"])
def test_a_journal_without_write_permission_is_refused(read_only: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with begin(path) as journal:
            journal.record([mirrored("a")])
        Path(f"{path}-lock").chmod(0o666)
        path.chmod(0o444 if read_only == "the file" else 0o666)
        path.parent.chmod(0o777 if read_only == "the file" else 0o555)

        with without_privileges(), pytest.raises(JournalError, match="no permission"):
            begin(path)

        path.parent.chmod(0o777)
        path.chmod(0o666)
        assert content(path) == [mirrored("a")]


def test_a_journal_at_rest_is_read_where_nothing_may_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with begin(path) as journal:
            journal.record([mirrored("a")])
        path.chmod(0o444)
        path.parent.chmod(0o555)

        with without_privileges(), read_journal(path) as reader:
            assert list(reader.results()) == [mirrored("a")]


def test_a_lock_without_permission_is_refused() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        begin(path).close()
        Path(f"{path}-lock").chmod(0o400)
        path.parent.chmod(0o777)
        path.chmod(0o666)
        if os.geteuid() != 0:
            Path(f"{path}-lock").chmod(0)

        with without_privileges(), pytest.raises(JournalError, match=r"cannot be used: Permission denied"):
            begin(path)


@pytest.mark.parametrize("how", ["link", "file"])
def test_a_file_in_the_place_of_the_lock_is_left_alone(path: Path, how: str) -> None:
    precious = path.with_name("precious")
    precious.write_text("all of it")
    lock = path.with_name(f"{path.name}-lock")
    if how == "link":
        lock.symlink_to(precious)
    else:
        lock.hardlink_to(precious)

    with pytest.raises(JournalError):
        begin(path)

    assert precious.read_text() == "all of it"


@pytest.mark.parametrize("how", ["removed", "replaced"])
def test_a_journal_that_is_no_longer_in_its_place_takes_no_results(path: Path, how: str) -> None:
    with begin(path) as journal:
        journal.record([mirrored("a.png")])
        moved = path.rename(path.with_name("elsewhere"))
        if how == "replaced":
            shutil.copy(moved, path)

        with pytest.raises(JournalError, match="moved, removed or replaced"):
            journal.record([mirrored("b.png")])

        moved.rename(path)
        journal.record([mirrored("c.png")])
    assert [entry.name for entry in content(path)] == ["a.png", "c.png"]


def test_a_second_run_is_refused_until_the_first_ends(path: Path) -> None:
    link = path.with_name("link")
    link.symlink_to(path)
    with begin(path) as journal:
        for name in (path, link):
            with pytest.raises(JournalError, match=rf"in use by another run \(process {os.getpid()}\)"):
                begin(name)
        journal.record([mirrored("a")])

    with begin(link) as journal:
        assert journal.find("a") == mirrored("a")


def test_a_journal_that_another_program_locks_is_refused_and_kept(path: Path) -> None:
    with begin(path) as journal:
        journal._writing.execute("PRAGMA busy_timeout = 10")
        shell = sqlite3.connect(path, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match="locked by another program"):
            journal.record([mirrored("a")])
        shell.close()
        journal.record([mirrored("b")])

    assert content(path) == [mirrored("b")]


def use(path: Path) -> None:
    """Everything that can be done with a journal."""
    with begin(path) as journal:
        list(journal.results())
        list(journal.results({Outcome.FAILED}))
        journal.summary()
        for i in range(100):
            journal.find(f"{i:03}")
        journal.record([mirrored(f"{i:03}", time=9.0) for i in range(0, 100, 7)])


def test_of_a_damaged_journal_nothing_but_a_journal_error_comes(path: Path) -> None:
    with begin(path) as journal:
        journal.record([replace(failed(f"{i:03}"), etag="x" * 20) for i in range(100)])
        journal.record([mirrored(f"{i:03}") for i in range(0, 100, 3)])
    whole = path.read_bytes()
    chance = random.Random(4)
    messages = []
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 4, 30])):
            data[chance.randrange(100, len(data))] = chance.choice([0, 1, 0x7F, 0xFF, chance.randrange(256)])
        path.write_bytes(data if chance.random() < 0.8 else data[: chance.randrange(512, len(data))])
        try:
            use(path)
        except JournalError as error:
            messages.append(str(error))

    assert len(messages) > 20
    assert all(str(path) in message for message in messages)


# A disk that is full or fails


@contextmanager
def full_by_page_count(journal: Journal) -> Iterator[None]:
    [(pages,)] = journal._writing.execute("PRAGMA page_count")
    journal._writing.execute(f"PRAGMA max_page_count = {pages}")
    yield
    journal._writing.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def files_of_limited_size(journal: Journal) -> Iterator[None]:
    """Has the system refuse to write further in the -wal file; SQLite takes it for a failing disk."""
    _, hard = soft_and_hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = Path(f"{journal.path}-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, soft_and_hard)


@pytest.mark.parametrize(
    ("trouble", "said"), [(full_by_page_count, "the disk is full"), (files_of_limited_size, "disk I/O error")]
)
def test_a_batch_that_cannot_be_written_leaves_the_journal_whole(path: Path, trouble, said: str) -> None:  # type: ignore[no-untyped-def]
    many = [mirrored(f"{i:05}") for i in range(5_000)]
    with begin(path) as journal:
        journal.record(many[:50])
        with trouble(journal), pytest.raises(JournalError, match=said) as refused:
            journal.record(many)
        assert str(path) in str(refused.value)
        assert list(journal.results()) == many[:50]
        journal.record(many[50:60])

    assert content(path) == many[:60]
    begin(path).close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def fill_disk(journal: Journal, recorded: list[Result]) -> None:
    while True:
        batch = [mirrored(f"{i:06}") for i in range(len(recorded), len(recorded) + 20)]
        try:
            journal.record(batch)
        except JournalError as error:
            assert "the disk is full" in str(error)  # noqa: PT017 (what was recorded before counts, too)
            return
        recorded += batch


def test_on_a_full_disk_nothing_that_was_recorded_is_lost(small_disk: Path) -> None:
    path = small_disk / "journal"
    recorded: list[Result] = []
    with begin(path) as journal:
        fill_disk(journal, recorded)
        assert list(journal.results()) == recorded
    assert len(recorded) > 100

    subprocess.run(["mount", "-o", "remount,size=1m", small_disk], check=True)
    with begin(path) as journal:
        assert list(journal.results()) == recorded
        journal.record([mirrored("one more")])
    assert content(path) == [*recorded, mirrored("one more")]


def test_a_disk_too_full_to_begin_is_told_and_later_begun(small_disk: Path) -> None:
    path, filler = small_disk / "journal", small_disk / "filler"
    filler.write_bytes(bytes(os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize))
    with pytest.raises(JournalError, match=r"full|No space"):
        begin(path)
    filler.unlink()

    with begin(path) as journal:
        journal.record([mirrored("a")])


# Killed

WRITER = """
import itertools, sys
from pathlib import Path
from trio_mirror.journal import open_journal
from trio_mirror.model import Outcome, Result, Stage

batch, size = int(sys.argv[2]), 7
with open_journal(Path(sys.argv[1]), source="s", target="t") as journal:
    for batch in itertools.count(batch):
        journal.record(
            Result(name=f"{batch:06}-{i}", outcome=Outcome.MIRRORED, stage=Stage.UPLOAD, time=1.0) for i in range(size)
        )
        print(batch, flush=True)
"""


@pytest.mark.slow
def test_what_was_recorded_is_there_after_kill_9_at_any_moment(path: Path) -> None:
    chance = random.Random()
    reported: set[int] = set()
    for _ in range(8):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(max(reported, default=-1) + 2)], stdout=subprocess.PIPE
        )
        assert child.stdout is not None
        with child.stdout:
            reported.add(int(child.stdout.readline()))
            threading.Event().wait(chance.uniform(0, 0.15))
            child.kill()
            reported |= {int(line) for line in child.stdout if line.endswith(b"\n")}
        child.wait()

        with open_journal(path, source="s", target="t") as journal:
            names = [entry.name for entry in journal.results()]
        batches = [list(batch) for _, batch in itertools.groupby(names, lambda name: name.partition("-")[0])]
        assert {len(batch) for batch in batches} == {7}, "a batch is there in part"
        assert reported <= {int(batch[0].partition("-")[0]) for batch in batches}


def test_a_kill_releases_the_lock_and_the_refusal_before_names_the_process(path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", WRITER, str(path), "0"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        with pytest.raises(JournalError, match=rf"process {child.pid}\)"):
            open_journal(path, source="s", target="t")
        with read_journal(path) as reader:
            assert reader.find("000000-0") is not None
        child.kill()
    child.wait()

    open_journal(path, source="s", target="t").close()


# Merged


def write(path: Path, entries: Sequence[Result]) -> Path:
    with begin(path) as journal:
        journal.record(entries)
    return path


def winner(entries: Sequence[Result]) -> list[Result]:
    """The newest, and of these the mirrored, where there is one."""
    newest = [entry for entry in entries if entry.time == max(other.time for other in entries)]
    return [entry for entry in newest if entry.outcome == Outcome.MIRRORED] or newest


@settings(deadline=None, max_examples=10)
@given(
    st.lists(st.lists(entries_that_clash, max_size=4, unique_by=lambda it: it.name), min_size=1, max_size=3),
    st.randoms(),
)
def test_any_order_of_merging_gives_the_same(contents: list[list[Result]], chance: random.Random) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = [write(folder / f"{i}", entries) for i, entries in enumerate(contents)]
        merge_journals(folder / "at once", paths)
        merged = content(folder / "at once")

        for path in chance.sample(paths, len(paths)):
            merge_journals(folder / "one by one", [path])
        cut = chance.randrange(len(paths))
        merge_journals(folder / "tail", paths[cut:])
        merge_journals(folder / "head first", [*paths[:cut], folder / "tail"])
        assert merge_journals(folder / "at once", [*paths, folder / "tail", folder / "at once"]) == 0

        assert content(folder / "one by one") == content(folder / "head first") == content(folder / "at once") == merged
        assert [content(path) for path in paths] == [sorted(entries, key=lambda it: it.name) for entries in contents]
    everything = sorted(itertools.chain.from_iterable(contents), key=lambda entry: entry.name)
    by_name = [list(group) for _, group in itertools.groupby(everything, lambda entry: entry.name)]
    assert len(merged) == len(by_name)
    assert all(entry in winner(group) for entry, group in zip(merged, by_name, strict=True))


def test_the_newest_stays_and_of_two_of_the_same_time_the_mirrored(tmp_path: Path) -> None:
    unknown = replace(failed("b", time=5.0), outcome=Outcome.UNKNOWN)
    into = write(tmp_path / "into", [mirrored("a", time=5.0), unknown, mirrored("c", time=5.0), failed("d")])
    other = write(
        tmp_path / "other",
        [failed("a", time=4.0), mirrored("b", time=5.0), replace(unknown, name="c"), mirrored("d"), mirrored("e")],
    )

    assert merge_journals(into, [other]) == 3
    assert content(into) == [mirrored(name, time=5.0) for name in "abc"] + [mirrored("d"), mirrored("e")]
    assert merge_journals(other, [into]) == 2
    assert content(other) == content(into)


def test_a_newer_failure_replaces_what_was_mirrored(tmp_path: Path) -> None:
    into = write(tmp_path / "into", [mirrored("a", time=5.0)])

    merge_journals(into, [write(tmp_path / "other", [failed("a", time=6.0)])])

    assert content(into) == [failed("a", time=6.0)]


def test_journals_of_other_galleries_are_not_merged(tmp_path: Path) -> None:
    good = write(tmp_path / "good", [mirrored("a")])
    other = tmp_path / "other"
    open_journal(other, source=SOURCE, target="/elsewhere").close()

    with pytest.raises(JournalError, match=f"{other} is the journal of"):
        merge_journals(tmp_path / "into", [good, other])
    with pytest.raises(JournalError, match=f"{other} is the journal of"):
        merge_journals(other, [good])

    assert not (tmp_path / "into").exists()
    assert content(other) == []


def test_of_a_merge_that_fails_on_the_way_nothing_is_taken_over(tmp_path: Path) -> None:
    good = write(tmp_path / "good", [mirrored(f"{i:04}") for i in range(1_000)])
    bad = write(tmp_path / "bad", [mirrored(f"{i:04}") for i in range(1_000, 3_000)])
    with bad.open("r+b") as file:
        file.seek(bad.stat().st_size - 3 * 4096)
        file.write(b"\xff" * 2 * 4096)
    into = write(tmp_path / "into", [failed("b")])

    with pytest.raises(JournalError, match=f"{bad} is damaged"):
        merge_journals(into, [good, bad])

    assert content(into) == [failed("b")]


def test_a_journal_in_use_can_be_merged_but_not_merged_into(tmp_path: Path) -> None:
    other = write(tmp_path / "other", [mirrored("b")])
    with begin(tmp_path / "used") as journal:
        journal.record([mirrored("a")])

        with pytest.raises(JournalError, match="in use by another run"):
            merge_journals(tmp_path / "used", [other])
        merge_journals(other, [tmp_path / "used"])

    assert content(other) == [mirrored("a"), mirrored("b")]
