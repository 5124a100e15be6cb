"""Picture names, which are untrusted input: what a name may be, and how one is shown safely."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from typing import Self
from urllib.parse import unquote

from trio_mirror.errors import NameRefusedError, hide_userinfo

MAX_NAME_BYTES = 4096
"""The longest name accepted, in bytes of UTF-8 (Linux's PATH_MAX)."""

# Servers and proxies decode once or twice; what is still encoded after this many rounds is not a file name.
_MAX_DECODINGS = 4
# What nearly all names are, and what none of the rules below is about.
_ORDINARY = re.compile(r"[a-z0-9_][\w.-]*(/[a-z0-9_][\w.-]*)*", re.ASCII | re.IGNORECASE)
# RFC 3986, section 3.1 and 3.2.
_URL = re.compile(r"\A[a-z][a-z0-9+.-]*://", re.IGNORECASE)
# What no name may be, and what to say of it; the first that is found counts.
_REFUSED = (
    (re.compile(r"\A\Z"), "is empty"),
    (re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]"), "holds a control character"),
    (re.compile("[\ud800-\udfff]"), "is not valid UTF-8"),
    (_URL, "is a URL that does not lead below the base"),
    (re.compile(r"\\"), "holds a backslash, which is a slash elsewhere"),
    (re.compile(r"\A/"), "is an absolute path"),
    (re.compile(r"(?:\A|/)\.\.?(?:/|\Z)"), "holds a '.' or '..' segment"),
    (re.compile(r"//|/\Z"), "holds an empty segment"),
)
_ESCAPED_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_JOINERS = "\u200c\u200d"

# Kept here, as the tables of the mimetypes module differ by Python version and by machine.
_MEDIA_TYPES = {
    ".apng": "image/apng",
    ".avif": "image/avif",
    ".bmp": "image/bmp",
    ".dib": "image/bmp",
    ".gif": "image/gif",
    ".heic": "image/heic",
    ".heif": "image/heif",
    ".hif": "image/heif",
    ".ico": "image/vnd.microsoft.icon",
    ".j2c": "image/j2c",
    ".j2k": "image/j2c",
    ".jfif": "image/jpeg",
    ".jpe": "image/jpeg",
    ".jp2": "image/jp2",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".jxl": "image/jxl",
    ".pam": "image/x-portable-anymap",
    ".pbm": "image/x-portable-bitmap",
    ".pcx": "image/x-pcx",
    ".pgm": "image/x-portable-graymap",
    ".png": "image/png",
    ".pnm": "image/x-portable-anymap",
    ".ppm": "image/x-portable-pixmap",
    ".qoi": "image/qoi",
    ".svg": "image/svg+xml",
    ".tga": "image/x-tga",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".webp": "image/webp",
}
# What lies beside pictures. It is known by name, as a video may be too large to be read.
_OTHER_FILES = re.compile(
    r"\.(3gp|aae|avi|css|csv|db|docx?|html?|ini|js|json|log|lrv|m4[av]|md|md5|mkv|mov|mp[34]|mpe?g|mts|ods|odt|pdf|"
    r"sh|sha256|tar|thumbsdb|toml|txt|wav|webm|xlsx?|xml|xmp|ya?ml|zip|[gx]z)",
    re.IGNORECASE,
)


class ListedName(str):
    """A name as it stands in a list, not checked yet.

    Attributes:
        query: of its URL, which is asked for with it and never shown; else empty.
    """

    __slots__ = ("query",)
    query: str

    def __new__(cls, name: str, query: str = "") -> Self:
        """Makes a name of a text."""
        made = super().__new__(cls, name)
        made.query = query
        return made


class PictureName(ListedName):
    """A name that was checked: its segments lead to a place below the base of any gallery.

    The name is taken as written, not percent-decoded. Yet it is refused if it would leave the base once
    decoded, even repeatedly: it is also sent to servers that decode it. A `PictureName` is given back as it is.

    Raises:
        NameRefusedError: the name leads elsewhere, or cannot be one; the message says why, without the name.
    """

    __slots__ = ()

    def __new__(cls, name: str) -> Self:
        """Checks a name that was not checked yet."""
        if isinstance(name, cls):
            return name
        _check(name)
        return super().__new__(cls, name, getattr(name, "query", ""))

    @property
    def segments(self) -> list[str]:
        """What stands between the slashes."""
        return self.split("/")


def media_type_of(name: str) -> str:
    """The media type for a name's extension; ``application/octet-stream`` where it is not a picture's."""
    return _MEDIA_TYPES.get(posixpath.splitext(name)[1].lower(), "application/octet-stream")


def is_picture_name(name: str) -> bool:
    """Whether a name has the extension of a picture."""
    return posixpath.splitext(name)[1].lower() in _MEDIA_TYPES


def is_other_file(name: str) -> bool:
    """Whether a name has the extension of something that often lies beside pictures, such as ``.xmp`` or ``.mov``."""
    return _OTHER_FILES.fullmatch(posixpath.splitext(name)[1]) is not None


def is_url(text: str) -> bool:
    """Whether a text is a URL with a host, such as ``http://host/images/``."""
    return "://" in text and _URL.match(text) is not None  # the search is for few names


def hide_credentials(text: str) -> str:
    """Leaves out what may be credentials in a URL: its userinfo and its query (RFC 3986, sections 3.2.1 and 3.4)."""
    return re.sub(r"(://[^?#]*\?)[^#]+", r"\1(hidden)", hide_userinfo(text))


def printable(text: str) -> str:
    r"""Escapes what could steer a terminal or forge a line of a log: ``\x1b`` instead of the character.

    Escaped are control characters, line separators, lone surrogates and format characters such as the
    bidirectional overrides (Unicode's Cc, Zl, Zp, Cs, Cf), save the two joiners that scripts and emoji need.
    """
    if text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _check(name: str) -> None:
    if len(name) < MAX_NAME_BYTES and _ORDINARY.fullmatch(name):
        return
    if len(name.encode("utf-8", "surrogatepass")) > MAX_NAME_BYTES:
        raise NameRefusedError(f"the name is longer than {MAX_NAME_BYTES:,} bytes")
    _check_as_written(name)
    decoded = name
    for _ in range(_MAX_DECODINGS):
        encoded, decoded = decoded, unquote(decoded)
        if decoded == encoded:
            return
        if decoded.count("/") > encoded.count("/"):
            raise NameRefusedError("the name hides a slash by percent-encoding")
        _check_as_written(decoded)
    raise NameRefusedError("the name is percent-encoded over and over")


def _check_as_written(name: str) -> None:
    for refused, why in _REFUSED:
        if refused.search(name):
            raise NameRefusedError(f"the name {why}")


def _escaped(character: str) -> str:
    if character in _JOINERS or unicodedata.category(character) not in _ESCAPED_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")
