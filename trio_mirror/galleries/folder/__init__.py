"""A gallery that is a folder, or one file in it."""

from trio_mirror.galleries.folder.gallery import FileGallery, FolderGallery

__all__ = ["FileGallery", "FolderGallery"]
