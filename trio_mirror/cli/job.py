"""One run as the command line does it: signals, the built-in gallery, the log, progress, the summary."""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

import trio

from trio_mirror.api.opening import open_names, open_run
from trio_mirror.cli.exits import ExitCode, exit_code_of
from trio_mirror.cli.stops import Stops
from trio_mirror.cli.streams import own_stderr, quiet_libraries, stdout_written
from trio_mirror.cli.view.printer import Line, Printer
from trio_mirror.cli.view.views import Views
from trio_mirror.errors import MirrorError, NameRefusedError, OutputError, SettingsError
from trio_mirror.model import Report
from trio_mirror.names import PictureName, printable
from trio_mirror.pipeline.heap import keep_heap
from trio_mirror.pipeline.hooks import Hooks
from trio_mirror.pipeline.nurseries import open_nursery_beside
from trio_mirror.pipeline.run import Run
from trio_mirror.settings import STDOUT, Options, Settings

_log = logging.getLogger(__name__)


def run_job(options: Options, settings: Settings, verbosity: int, config: str) -> ExitCode:
    """Does what the command line was asked for; results go to stdout, everything else to stderr."""
    own_files = [it for it in (options.events, options.log_file, options.sheet, config) if it not in (None, STDOUT)]
    with own_stderr() as stderr:
        printer = Printer(stderr)
        try:
            _check_files(options, settings)
            views = Views(options, verbosity, printer)
        except SettingsError as error:
            _print_error(error, printer)
            return exit_code_of(None, error)
        # What was imported stays: looking for cycles in it costs each run a little, and the end of a short one a tenth.
        gc.freeze()
        gc.enable()
        try:
            with nullcontext() if options.debug else quiet_libraries(), _interrupts_raised():
                return trio.run(
                    partial(_run_job, options, settings, views, printer, own_files),
                    restrict_keyboard_interrupt_to_checkpoints=True,
                )
        except* KeyboardInterrupt:
            # It came before the first or after the last moment at which signals are watched.
            pass
        return ExitCode.INTERRUPTED


@contextmanager
def _interrupts_raised() -> Iterator[None]:
    """Has Ctrl-C raise KeyboardInterrupt, which Trio takes over; unless it is ignored, as in the background."""
    before = signal.getsignal(signal.SIGINT)
    if callable(before):
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _check_files(options: Options, settings: Settings) -> None:
    """Refuses one file in two roles, of which one would overwrite the other; devices and pipes may have several."""
    named = {
        "--journal": settings.journal,
        "--events": options.events,
        "--log-file": options.log_file,
        "--sheet": options.sheet,
        "the list": options.source[0] if options.source and settings.base else None,
    }
    roles: dict[str, str] = {}
    for role, path in named.items():
        # Unlike pathlib, os.path does not raise for a path that is too long.
        if path in (None, STDOUT) or (os.path.exists(path) and not os.path.isfile(path)):  # noqa: PTH110, PTH113
            continue
        with suppress(FileNotFoundError):  # of the working directory
            if (other := roles.setdefault(os.path.realpath(path), role)) != role:
                raise SettingsError(f"{other}: {path} is also the file of {role}, expected two different files")


async def _run_job(
    options: Options, settings: Settings, views: Views, printer: Printer, own_files: Collection[str]
) -> ExitCode:
    stops = Stops()
    report: Report | None = None
    fatal: MirrorError | None = None
    async with trio.open_nursery() as nursery:
        await nursery.start(stops.watch)
        with stops.at_once:
            async with _source_of(options, printer) as source:
                try:
                    if options.dry_run:
                        await _print_names(source, options.to, settings)
                    else:
                        if not options.source:
                            # The built-in gallery keeps its originals, and is another one each time.
                            settings = replace(settings, no_journal=settings.journal is None)
                        # Not sooner: memory freed while a long list is read should go back to the system.
                        hooks = Hooks(sampler=views.sampler, before_flip=keep_heap)
                        opening = open_run(source, options.to, settings, hooks, own_files=own_files)
                        async with opening as run:
                            report, stops.run = run.report, run
                            await _follow(run, views)
                # Caught inside the nurseries, so that it comes alone and not in a group.
                except MirrorError as error:
                    fatal = error
        for result in stops.run.late if stops.run is not None else ():
            await views.add(result)
        unwritten: OutputError | None = OutputError("the last of the events, the log or the sheet is not written")
        with stops.writing:
            unwritten = await views.end(report)
        nursery.cancel_scope.cancel()
    for fault in filter(None, (fatal, unwritten)):
        _print_error(fault, printer)
    if report is not None:
        try:
            with stdout_written():
                views.print_report(report, settings)
        except OutputError as error:
            _print_error(error, printer)
            unwritten = unwritten or error
    return exit_code_of(report, unwritten or fatal, stops.signal)


async def _follow(run: Run, views: Views) -> None:
    """Shows a run to its end."""
    async with open_nursery_beside() as nursery:
        nursery.start_soon(views.watch, run)
        async for result in run:
            await views.add(result)
        nursery.cancel_scope.cancel()


async def _print_names(source: str | Sequence[str], target: str | None, settings: Settings) -> None:
    async with open_names(source, settings, target) as names:
        with stdout_written(reader_may_leave=True):
            async for name in names:
                _print_name(name)


def _print_name(name: str) -> None:
    try:
        PictureName(name)
    except NameRefusedError as error:
        _log.warning("%s: would fail: %s", name, error)
    else:
        # A program gets the name as it is, a person one that steers no terminal.
        print(printable(name) if sys.stdout.isatty() else name)  # noqa: T201


@asynccontextmanager
async def _source_of(options: Options, printer: Printer) -> AsyncIterator[str | Sequence[str]]:
    """The source, or the built-in gallery, served while the block lasts."""
    if options.source:
        yield options.source[0] if len(options.source) == 1 else options.source
        return
    from trio_mirror.cli.view.half_blocks import can_show, half_blocks
    from trio_mirror.demo.samples import SHOWN, draw_samples
    from trio_mirror.demo.server import serve_gallery

    folder = Path(tempfile.mkdtemp(prefix="trio-mirror-"))
    originals, mirrored = folder / "images", folder / "mirrored"
    originals.mkdir()
    await trio.to_thread.run_sync(draw_samples, originals)
    what = "no SOURCE is given, so the built-in gallery of drawn pictures is flipped left to right over HTTP"
    printer.print(Line(f"{what}: originals in {originals}, mirrored pictures in {mirrored}"))
    async with serve_gallery(originals, mirrored) as url:
        with _without_proxy(urlsplit(url).hostname):
            yield url
    if can_show(printer.console) and (mirrored / SHOWN).exists():
        for line in half_blocks(printer.console, originals / SHOWN, mirrored / SHOWN):
            printer.console.print(line)


@contextmanager
def _without_proxy(host: str | None) -> Iterator[None]:
    """Goes straight to a host, whatever proxy the environment names; so do worker processes that are started."""
    # Lower case comes first, in Python and in curl.
    before, bypassed = os.environ.get("no_proxy"), getproxies().get("no", "")
    os.environ["no_proxy"] = bypassed if bypassed == "*" else f"{bypassed},{host}"
    try:
        yield
    finally:
        if before is None:
            del os.environ["no_proxy"]
        else:
            os.environ["no_proxy"] = before


def _print_error(error: MirrorError, printer: Printer) -> None:
    # Without a style: where descriptors have run out, rich cannot be imported.
    printer.print(Line(f"error: {printable(str(error))}"))
