"""Galleries: places that can list picture names, fetch a picture and store one."""

from trio_mirror.galleries.gallery import Gallery, RedirectedGallery, identity_of
from trio_mirror.galleries.opening import open_galleries
from trio_mirror.galleries.places import Place

__all__ = ["Gallery", "Place", "RedirectedGallery", "identity_of", "open_galleries"]
