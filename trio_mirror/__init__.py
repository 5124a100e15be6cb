"""Mirror every picture of a gallery left to right, all at once, under structured concurrency."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trio_mirror.errors import (
    AccessError,
    ClusterError,
    FetchError,
    FlipError,
    GalleryError,
    JournalError,
    ListError,
    MirrorError,
    NameRefusedError,
    NotPictureError,
    PictureError,
    SettingsError,
    StorageError,
    UnknownUploadError,
    UploadError,
)
from trio_mirror.flip import flip
from trio_mirror.model import Flipped, Limits, Lossless, Outcome, Picture, Report, Result, Stage
from trio_mirror.settings import RetryUploads, Settings, Shard, UploadAs

if TYPE_CHECKING:
    from trio_mirror import aio
    from trio_mirror.api import mirror, open_mirror, run
    from trio_mirror.galleries import Gallery, Place
    from trio_mirror.pipeline.run import Run

__version__ = "0.1.0"

__all__ = [
    "AccessError",
    "ClusterError",
    "FetchError",
    "FlipError",
    "Flipped",
    "Gallery",
    "GalleryError",
    "JournalError",
    "Limits",
    "ListError",
    "Lossless",
    "MirrorError",
    "NameRefusedError",
    "NotPictureError",
    "Outcome",
    "Picture",
    "PictureError",
    "Place",
    "Report",
    "Result",
    "RetryUploads",
    "Run",
    "Settings",
    "SettingsError",
    "Shard",
    "Stage",
    "StorageError",
    "UnknownUploadError",
    "UploadAs",
    "UploadError",
    "__version__",
    "aio",
    "flip",
    "mirror",
    "open_mirror",
    "run",
]

# These need trio and httpx, which `trio-mirror --version` does not: they are imported at their first use.
_LATE = {
    "aio": "trio_mirror.aio",
    "Gallery": "trio_mirror.galleries",
    "Place": "trio_mirror.galleries",
    "Run": "trio_mirror.pipeline.run",
    "mirror": "trio_mirror.api",
    "open_mirror": "trio_mirror.api",
    "run": "trio_mirror.api",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_LATE[name])
    value = globals()[name] = module if name == "aio" else _public(getattr(module, name))
    return value


def _public(value: Any) -> Any:
    """Lets tracebacks and reprs show the path that people import from; a union of types has none."""
    if hasattr(value, "__module__"):
        value.__module__ = __name__
    return value


for _name in {*__all__} - {*_LATE}:
    _public(globals()[_name])
del _name
