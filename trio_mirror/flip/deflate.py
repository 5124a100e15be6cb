"""zlib, or in its place zlib-ng (extra ``deflate``): three to five times as fast, at the same size."""

from __future__ import annotations

import zlib
from importlib import import_module
from typing import Any

try:
    fastest: Any = import_module("zlib_ng.zlib_ng")
except ImportError:
    fastest = zlib
