"""Galleries: places that can list picture names, fetch a picture and store one."""

from trio_mirror.galleries.gallery import Gallery, RedirectedGallery, SearchableGallery, identity_of
from trio_mirror.galleries.named import Names, as_named
from trio_mirror.galleries.opening import open_galleries
from trio_mirror.galleries.places import Place, Source

__all__ = [
    "Gallery",
    "Names",
    "Place",
    "RedirectedGallery",
    "SearchableGallery",
    "Source",
    "as_named",
    "identity_of",
    "open_galleries",
]
