"""Notes in one style: those of callers and of some formats are sentences, others are phrases."""

from __future__ import annotations


def phrase(note: str) -> str:
    """A note as it stands behind others: without a capital that begins a sentence, and the full stop that ends it."""
    # What begins with an abbreviation keeps its capitals.
    start = note[:1].lower() if note[1:2].islower() or note[1:2] == " " else note[:1]
    return f"{start}{note[1:]}".removesuffix(".")
