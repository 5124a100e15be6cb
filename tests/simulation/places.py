"""Where the pictures of a world are and where they go, and what is remembered of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.helpers.faulty_server import BASE
from tests.simulation.machine import Folder
from tests.simulation.pictures import MIRRORED, ORIGINALS
from tests.simulation.plan import Plan, drawn_plan
from tests.simulation.server import Server
from trio_mirror.journal import automatic_journal, read_journal

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.simulation.machine import Machine
    from tests.simulation.network import Network
    from tests.simulation.world import World
    from trio_mirror import Result

# Lines of a list that are names of nothing, or that lead elsewhere.
HOSTILE = ("../a.ppm", "/etc/passwd", "%2e%2e%2fa.ppm", "x//y.ppm", "a\\b.ppm", "\x1b[2J.ppm", "none.ppm", "\udc80.ppm")
_SOURCE, _TARGET = "10.0.0.1", "10.0.0.2"


@dataclass(frozen=True)
class Kind:
    """What is drawn of the places."""

    source: str
    target: str | None
    journal: str


KINDS = [
    Kind(source, target, journal)
    for source, target in [("http", None), ("http", "http"), ("http", "folder"), ("folder", None), ("folder", "http")]
    for journal in ("automatic", "named", "none")
    if (target is None) or (journal != "automatic")
]


class Places:
    """The places of a world: servers of its network, folders of its machine.

    Attributes:
        names: the pictures that there are.
        listed: all names of the list, those of nothing included.
    """

    def __init__(self, world: World, network: Network, machine: Machine) -> None:
        self._chance = chance = world.chance
        self._machine = machine
        self.kind = kind = chance.choice(KINDS)
        self.names = chance.sample(sorted(ORIGINALS), chance.randint(1, len(ORIGINALS)))
        self.listed = set(self.names)
        lines = [*self.names, *chance.choices(self.names, k=chance.randint(0, 2))]
        if kind.source == "http":
            hostile = chance.sample(HOSTILE, chance.choice((0, 0, 2)))
            self.listed.update(hostile)
            lines += hostile
        chance.shuffle(lines)
        text = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        originals = {name: ORIGINALS[name] for name in self.names}
        self._servers: list[Server] = []
        for role, what, host in (("source", kind.source, _SOURCE), ("target", kind.target, _TARGET)):
            if what == "http":
                held = originals if role == "source" else {}
                self._servers.append(Server(world, role, held, text))
                network.add(host, self._servers[-1].handle)
        if kind.source == "folder":
            for name, data in originals.items():
                path = machine.disk / "source" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        world.note(f"{kind}, names {lines}")

    def drawn_plan(self) -> Plan:
        """Draws what a process at these places is like."""
        return drawn_plan(self._chance, pictures=len(self.names), may_update=self.kind.journal == "named")

    def opened(self) -> dict[str, Any]:
        """Source and target, as a run takes them; a process has folders of its own."""
        kind, places = self.kind, dict[str, Any]()
        for role, what, host in (("source", kind.source, _SOURCE), ("target", kind.target, _TARGET)):
            folder = Folder(self._machine, self._machine.disk / role, in_place=kind.target is None)
            places[role] = f"http://{host}{BASE}" if what == "http" else folder if what == "folder" else None
        return places

    @property
    def journal(self) -> Path | None:
        """Where the journal is, or is going to be."""
        match self.kind.journal:
            case "named":
                return self._machine.disk / "named.journal"
            case "automatic" if self.kind.source == "http":
                return automatic_journal(f"http://{_SOURCE}{BASE}")
            case "automatic":
                return automatic_journal(str(self._machine.disk / "source"))
            case _:
                return None

    @property
    def has_journal(self) -> bool:
        """Whether a journal was begun."""
        return self.journal is not None and self.journal.exists() and self.journal.stat().st_size > 0

    def rows(self) -> dict[str, Result]:
        """What the journal remembers, if there is one."""
        if not self.has_journal:
            return {}
        assert self.journal is not None
        with read_journal(self.journal) as journal:
            return {row.name: row for row in journal.results()}

    def stored(self) -> Mapping[str, bytes]:
        """What the target has; in place, what was there before."""
        if "folder" in (self.kind.target, self.kind.target or self.kind.source):
            folder = self._machine.disk / ("source" if self.kind.target is None else "target")
            return {name: (folder / name).read_bytes() for name in self.names if (folder / name).is_file()}
        return self._servers[-1].held

    def mirrored(self) -> set[str]:
        """The names of which the target has the mirror image."""
        return {name for name, data in self.stored().items() if data == MIRRORED[name]}

    @property
    def is_whole(self) -> bool:
        """Whether the target has the mirror image of each picture, and no journal says that something is left."""
        return self.mirrored() == set(self.names) and not self.has_journal
