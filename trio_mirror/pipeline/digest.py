"""The digest by which a picture is known again: XXH3 of 128 bits (https://xxhash.com).

It tells whether bytes are the same, as rsync's checksums do, and proves nothing about who wrote them: whoever could
forge it may write to the gallery anyway. SHA-256 took thirty times as long, 3% of a small picture's time.
"""

from xxhash import xxh3_128_hexdigest as digest

__all__ = ["digest"]
