"""The galleries of the benchmark: a few distinct pictures each, under as many names as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.bench import pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

KINDS: Mapping[str, Callable[[], Iterator[tuple[str, bytes]]]] = {
    "small": pictures.small_jpegs,
    "coded": pictures.small_coded_otherwise,
    "photo": pictures.photos,
    "mixed": pictures.mixed_formats,
    "tiny": pictures.tiny_jpeg,
}
"""How the pictures of each kind of gallery are drawn."""


class Galleries:
    """Folders for a web server: the distinct pictures in ``KIND/``, and a list of names in ``KIND-COUNT/``.

    A name is ``NUMBER-FILE``, and the server is to answer for it with ``KIND/FILE``, so that a million names need no
    million files.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def pictures(self, kind: str) -> Path:
        """The folder of the distinct pictures of a kind, drawn when it is first asked for."""
        folder = self.root / kind
        if not folder.exists():
            folder.mkdir()
            for number, (suffix, data) in enumerate(KINDS[kind]()):
                (folder / f"{number}.{suffix}").write_bytes(data)
        return folder

    def path(self, kind: str, count: int) -> str:
        """The path of a gallery's base URL below the root; its list is written when it is first asked for."""
        folder = self.root / f"{kind}-{count}"
        if not folder.exists():
            files = sorted(file.name for file in self.pictures(kind).iterdir())
            folder.mkdir()
            with (folder / "list.txt").open("w") as names:
                names.writelines(f"{number:07}-{files[number % len(files)]}\n" for number in range(count))
        return f"/{folder.name}/"
