"""The journal: the SQLite file that remembers results between runs. Plain blocking code, no event loop.

To open, record and close belong into a worker thread. `JournalReader.find` is quick enough for the event loop.
"""

from trio_mirror.journal.automatic import automatic_journal
from trio_mirror.journal.database import explained
from trio_mirror.journal.merge import merge_journals
from trio_mirror.journal.reader import JournalReader, Summary, read_journal
from trio_mirror.journal.rows import COLUMNS
from trio_mirror.journal.writer import Journal, journal_files, open_journal

__all__ = [
    "COLUMNS",
    "Journal",
    "JournalReader",
    "Summary",
    "automatic_journal",
    "explained",
    "journal_files",
    "merge_journals",
    "open_journal",
    "read_journal",
]
