"""The work on this machine: fetch ×N, flip ×N, upload ×N, joined by channels without buffers.

Every task owns the channel ends that it closes, and closes them by plain ``with``. When the list ends, the producer's
end closes, so the fetch tasks end, their ends close, and so on downstream by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import closing
from typing import TypeAlias

import trio

from trio_mirror.errors import GalleryError, PictureError, UnknownUploadError
from trio_mirror.model import Stage
from trio_mirror.pipeline.item import Item, Receiver, Sender, hand_over
from trio_mirror.pipeline.nurseries import open_nursery_beside
from trio_mirror.pipeline.producer import Fetch
from trio_mirror.pipeline.state import State
from trio_mirror.pipeline.threads import WorkerThreads
from trio_mirror.pipeline.time_limit import TimeLimit, Watch
from trio_mirror.pipeline.transformer import Transform
from trio_mirror.pipeline.uploader import Upload
from trio_mirror.settings import available_cores

_log = logging.getLogger(__name__)

Step: TypeAlias = Callable[[Item], Awaitable[None]]
"""What one stage does to one item. It ends an item that does not go on, and raises a `PictureError` if it failed."""


class Stages:
    """The stages of a run on this machine."""

    def __init__(self, state: State) -> None:
        settings = state.settings
        flip_threads = settings.flip_threads or available_cores()
        self._threads = WorkerThreads(flip_threads, settings.flip_timeout)
        self._fetch = Fetch(state)
        self._flip = Transform(self._threads, flip_threads, state)
        self._upload = Upload(self._threads, state)
        self.ahead = 0
        self._state = state
        self._watch = Watch()
        self._has_reported = False

    async def work(self, items: Receiver, ended: Sender) -> None:
        """Takes items to their end."""
        with ended:
            async with self._threads.working(), open_nursery_beside() as beside:
                beside.start_soon(self._watch.run)
                await self._serve_all(items, ended)
                beside.cancel_scope.cancel()

    async def _serve_all(self, items: Receiver, ended: Sender) -> None:
        async with trio.open_nursery() as nursery:
            fetched, to_flip = trio.open_memory_channel[Item](0)
            flipped, to_upload = trio.open_memory_channel[Item](0)
            with items, fetched, to_flip, flipped, to_upload:
                for _ in range(self._state.settings.concurrency):
                    nursery.start_soon(self._serve, Stage.FETCH, self._fetch, items.clone(), fetched.clone(), ended)
                    nursery.start_soon(self._serve, Stage.FLIP, self._flip, to_flip.clone(), flipped.clone(), ended)
                    nursery.start_soon(self._serve, Stage.UPLOAD, self._upload, to_upload.clone(), ended.clone(), ended)

    async def _serve(self, stage: Stage, step: Step, arriving: Receiver, leaving: Sender, ended: Sender) -> None:
        """One task of one stage."""
        with arriving, leaving, closing(TimeLimit(self._watch)) as limit:
            async for item in arriving:
                item.result.stage = stage
                try:
                    await self._take(step, item, limit)
                    await hand_over(item, ended if item.ended else leaving)
                except trio.BrokenResourceError:
                    # The next stage has failed, and says why: this task is about to be cancelled.
                    self._state.recorder.cut_off(item)
                except BaseException:
                    # Cancelled, which comes in a group where a gallery had a nursery open.
                    self._state.recorder.cut_off(item)
                    raise

    async def _take(self, step: Step, item: Item, limit: TimeLimit) -> None:
        """Takes an item through one stage, within the time that it has in all."""
        stage, result = item.result.stage, item.result
        now = trio.current_time()
        self._state.at_work[item] = now
        result.began[stage] = now - self._state.started
        try:
            with limit.until(item.deadline):
                await step(item)
                self._state.passed[stage] += 1
        except PictureError as error:
            # Of an earlier run's upload nothing may be known, too.
            item.maybe_stored = item.maybe_stored or isinstance(error, UnknownUploadError)
            item.fail(error)
        except GalleryError as error:
            item.fail(error)
            self._state.stop.fail(error)
        except trio.TooSlowError:
            # Of a gallery that is not ours and bounds its own waits.
            item.fail(PictureError("its gallery gave up on it: it took too long", transient=True))
        except MemoryError:
            item.fail(PictureError("there is not enough memory for it", transient=True))
        except Exception as error:  # noqa: BLE001 (whatever one picture raises, that picture fails)
            item.fail(PictureError(f"internal error, {type(error).__name__}: {error}"))
            self._report_fault(error)
        else:
            if limit.was_reached:
                seconds = f"{self._state.settings.picture_timeout:g} s in all (--picture-timeout)"
                item.fail(PictureError(f"it took longer than {seconds}", transient=True))
        finally:
            del self._state.at_work[item]
            # The flip has noted it by itself.
            result.seconds.setdefault(stage, trio.current_time() - self._state.started - result.began[stage])

    def _report_fault(self, error: Exception) -> None:
        """Says once in a run that something is wrong with the program, and not with a picture."""
        if not self._has_reported:
            self._has_reported = True
            shown = error if _log.isEnabledFor(logging.DEBUG) else None
            _log.error("internal error, please report it: --debug shows its traceback", exc_info=shown)
