"""Every error that trio-mirror raises on purpose.

    MirrorError
    ├── SettingsError        a choice of the caller's that cannot work (also a ValueError)
    ├── OutputError          a file beside the run cannot be written: the events, the log, the sheet
    ├── GalleryError         the run as a whole is pointless
    │   ├── ClusterError     the cluster, or the processes, that are to share the work cannot be used
    │   ├── ListError        the list of the source cannot be read
    │   ├── AccessError      the source or the target refuses us: authentication, TLS, all uploads
    │   ├── StorageError     the target's disk is full
    │   └── JournalError     the journal cannot be used: disk, lock, or not ours
    └── PictureError         one picture failed; inside a run it becomes a failed Result
        ├── NameRefusedError the list named something that is no place below the base
        ├── FetchError       the picture could not be read from its source
        ├── FlipError        the picture could not be mirrored
        │   ├── NotPictureError  the bytes, or the name, are those of something else
        │   └── MemoryLimitError the flip took more memory than its process may have
        └── UploadError      the target did not store the picture
            └── UnknownUploadError   the picture was sent, and no answer came back

What happens in a lower layer (httpx, Pillow, the file system) is mapped to one of these where it
happens, with the original as its cause. Messages are sentences for people: they name the URL or the
file, and never hold credentials.
"""

from __future__ import annotations

import re

# The user of an SFTP server is not secret by itself.
# In a URL, and in what is left of one where a slash, its scheme or the encoding of its password was forgotten.
_USERINFO = re.compile(
    r"""(?<=:/)(?<!sftp:/)(/+)[^/?#]*@|"""
    # Behind a slash, what looks like a scheme is a user.
    r"""(?<![^\s'"=(/\\])(?:(?<=/)|(?![^\s/@:\[]+://))[^\s/@:\[]*:(?!\d+(?:[/?#\s]|$))\S*@"""
)


def hide_userinfo(text: str) -> str:
    """Leaves out the credentials of the URLs in a text (RFC 3986, section 3.2.1), mistyped ones included."""
    return _USERINFO.sub(r"\1(hidden)@", text)


class MirrorError(Exception):
    """The root of all errors that trio-mirror raises on purpose.

    Attributes:
        transient: whether trying the same again, unchanged, may help.
        retry_after: the seconds that the server asked us to stay away, where it did.
        overload: whether the gallery is overloaded or cannot be reached, so that all its requests should slow down.
        refused: whether the gallery refused us, for our credentials or without any.
        status: of the HTTP response that says so, where there is one.
    """

    def __init__(
        self,
        message: str,
        *,
        transient: bool = False,
        retry_after: float | None = None,
        overload: bool = False,
        refused: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(hide_userinfo(message))
        self.transient = transient
        self.retry_after = retry_after
        self.overload = overload
        self.refused = refused
        self.status = status


class SettingsError(MirrorError, ValueError):
    """A choice of the caller's cannot work; the message names it and what would.

    Attributes:
        field: the name of the field of `Settings` that is to blame, where it is one.
    """

    def __init__(self, message: str, *, field: str | None = None) -> None:
        super().__init__(message)
        self.field = field


class OutputError(MirrorError):
    """A file that shows the run cannot be written: the events, the log, the contact sheet."""


class GalleryError(MirrorError):
    """A gallery as a whole cannot be used, so that the run is pointless."""


class ClusterError(GalleryError):
    """The cluster that is to share the work cannot be reached, or answers no more, or its processes do not start."""


class ListError(GalleryError):
    """The list of the source gallery cannot be read."""


class AccessError(GalleryError):
    """A gallery refuses the whole run: credentials are missing or wrong, or a certificate is not trusted."""


class StorageError(GalleryError):
    """The target's disk is full."""


class JournalError(GalleryError):
    """The journal cannot be used: the disk, another run that holds it, or a file that is not ours."""


class PictureError(MirrorError):
    """One picture failed. Inside a run this becomes a failed Result, and the run goes on."""


class NameRefusedError(PictureError):
    """A name of the list is no place below the gallery's base."""


class FetchError(PictureError):
    """A picture could not be read from its source."""


class FlipError(PictureError):
    """A picture could not be mirrored: damaged, over a limit, or of a kind that cannot be kept whole."""


class NotPictureError(FlipError):
    """What the list names is not a picture. A run skips it, unless its name is that of one, or ``strict`` is set."""


class MemoryLimitError(FlipError):
    """A flip took more memory than its process may have."""


class UploadError(PictureError):
    """The target did not store a picture."""


class UnknownUploadError(UploadError):
    """A picture was sent and no answer came back: the target may have stored it or not."""
