"""requests + Pillow, one picture after the other."""

from __future__ import annotations

import sys

import requests

from tests.bench.contenders.pillow_flip import flip


def mirror_gallery(base: str) -> None:
    with requests.Session() as session:
        listing = session.get(base)
        listing.raise_for_status()
        for name in listing.text.split():
            picture = session.get(base + name)
            picture.raise_for_status()
            files = {"image": (name, flip(picture.content), picture.headers["Content-Type"])}
            session.post(base, files=files).raise_for_status()


if __name__ == "__main__":
    mirror_gallery(sys.argv[1])
