"""The digest by which a picture is known again: XXH3 of 128 bits (https://xxhash.com).

It shows whether bytes are the same, as rsync's checksums do. It proves nothing about who wrote them, and need not:
whoever could forge a picture in a gallery may write there anyway. SHA-256 took 3% of a small picture's time each.
"""

from xxhash import xxh3_128_hexdigest as digest

__all__ = ["digest"]
