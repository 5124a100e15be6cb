"""aiohttp + Pillow."""

from __future__ import annotations

from tests.bench.contenders import aiohttp_gallery, pillow_flip

if __name__ == "__main__":
    aiohttp_gallery.main(pillow_flip.flip)
