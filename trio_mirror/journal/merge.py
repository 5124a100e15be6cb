"""Several journals into one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from trio_mirror.journal.database import check_galleries
from trio_mirror.journal.reader import read_journal
from trio_mirror.journal.writer import open_journal


def merge_journals(into: Path, sources: Sequence[Path]) -> int:
    """Merges journals of the same source and target; the newest result of each picture stays.

    Of two of the same time, one that is mirrored counts as the newer. The order of the journals makes no
    difference. It is one transaction: all is merged, or nothing.

    Args:
        into: the journal to merge into; begun if there is none.
        sources: one journal or more. They stay as they are, and may be in use.

    Returns:
        How many results were taken over.

    Raises:
        JournalError: a journal cannot be used, or is of other galleries.
    """
    with ExitStack() as stack:
        readers = [stack.enter_context(read_journal(path)) for path in sources]
        first = readers[0]
        for reader in readers:
            check_galleries(reader.path, (reader.source, reader.target), (first.source, first.target))
        journal = stack.enter_context(open_journal(into, source=first.source, target=first.target))
        return journal.absorb(chain.from_iterable(reader.results() for reader in readers))
