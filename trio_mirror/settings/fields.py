"""How a choice of the user's is declared: a dataclass field that carries what is told of it.

`Settings` and `Options` are made of such fields. The command line, the environment, the configuration file
and the error messages all read the same `Setting`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any

from trio_mirror.errors import SettingsError
from trio_mirror.settings.units import parse_duration

if TYPE_CHECKING:
    from collections.abc import Callable


class Panel(StrEnum):
    """The groups of ``--help``."""

    RUN = "The run"
    VIEW = "What you see"
    TIME = "Deadlines"
    PICK = "Which pictures"
    FLIP = "The flip"
    RETRY = "When it goes wrong"
    JOURNAL = "Resuming"
    LIMITS = "Limits"
    HTTP = "Talking to the server"


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """What the command line tells of one field."""

    explained: str
    """The help text."""
    panel: Panel
    parse: Callable[[str], Any]
    """Reads one value from text; raises ValueError."""
    metavar: str
    shown: str
    """The default as people read it."""
    example: str
    """A value that works, as people write it."""
    kind: type = str
    """What one value is in Python."""
    optional: bool = False
    """Whether None is a value."""
    short: str | None = None
    """A one-letter option."""
    choices: tuple[str, ...] = ()
    """All the values there are, where they can be counted."""
    repeatable: bool = False
    flag: bool = False
    """Yes or no: ``--name`` and ``--no-name``."""
    secret: bool = False


def table_of(declared: type) -> dict[str, Setting]:
    """What is told of each field of a dataclass, by its name, in order."""
    return {entry.name: entry.metadata["setting"] for entry in fields(declared)}


def option_name(field_name: str) -> str:
    """The option of a field: ``--flip-threads`` for ``flip_threads``."""
    return "--" + field_name.replace("_", "-")


def cannot_work(field_name: str, why: str) -> SettingsError:
    """The error of a field whose value cannot work, its option named."""
    return SettingsError(f"{option_name(field_name)}: {why}", field=field_name)


def setting(
    default: Any,
    explained: str,
    panel: Panel,
    parse: Callable[[str], Any],
    metavar: str,
    shown: str | None = None,
    **more: Any,
) -> Any:
    """Declares a field whose value is read by ``parse``; a tuple as its default makes it repeatable."""
    shown = str(default) if shown is None else shown
    declared = Setting(
        explained=explained,
        panel=panel,
        parse=parse,
        metavar=metavar,
        shown=shown,
        optional=default is None,
        repeatable=isinstance(default, tuple),
        **{"example": shown} | more,
    )
    return field(default=default, repr=not declared.secret, metadata={"setting": declared})


def count(default: int | None, explained: str, panel: Panel, **more: Any) -> Any:
    """Declares a whole number."""
    example = "100" if default is None else str(default)
    return setting(default, explained, panel, parse_count, "COUNT", kind=Integral, **{"example": example} | more)


def seconds(default: float | None, explained: str, panel: Panel) -> Any:
    """Declares a time."""
    shown = "none" if default is None else f"{default:g}s"
    return setting(default, explained, panel, parse_duration, "TIME", shown=shown, example="1m30s", kind=Real)


def choice(default: StrEnum, explained: str, panel: Panel) -> Any:
    """Declares one of the values of an enumeration."""
    kind = type(default)

    def parse(text: str) -> StrEnum:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError(f"{text!r} is none of {', '.join(kind)}") from None

    return setting(default, explained, panel, parse, "|".join(kind), choices=tuple(kind), kind=kind)


def flag(explained: str, panel: Panel, *, default: bool | None = False, shown: str | None = None) -> Any:
    """Declares a yes or no."""
    shown = shown or ("on" if default else "off")
    return setting(default, explained, panel, parse_flag, "", shown=shown, example="yes", kind=bool, flag=True)


def value_of(name: str, declared: Setting, value: Any) -> Any:
    """A value as its field keeps it, whichever way Python's callers write it: a text is read as on the command line.

    Raises:
        SettingsError: it is of another kind, or cannot be read.
    """
    if value is None and declared.optional:
        return None
    if not declared.repeatable:
        return _one_value(name, declared, value)
    each = (value,) if isinstance(value, str) else value
    if isinstance(each, bytes | Mapping) or not isinstance(each, Iterable):
        raise _of_another_kind(name, declared, value, "a list")
    return tuple(_one_value(name, declared, it) for it in each)


def _one_value(name: str, declared: Setting, value: Any) -> Any:
    if declared.kind is str and isinstance(value, os.PathLike):
        value = os.fspath(value)
    if isinstance(value, str):
        try:
            return declared.parse(value)
        except ValueError as error:
            raise cannot_work(name, str(error)) from None
    if declared.kind is tuple and isinstance(value, list):
        value = tuple(value)
    # In Python a bool is an int, too.
    if not isinstance(value, declared.kind) or isinstance(value, bool) is not declared.flag:
        raise _of_another_kind(name, declared, value)
    return value


def _of_another_kind(name: str, declared: Setting, value: Any, wanted: str = "") -> SettingsError:
    if declared.choices:
        wanted = f"one of {', '.join(declared.choices)}"
    elif declared.kind is Integral and not wanted:
        wanted = "a whole number"
    shown = "the value" if declared.secret else repr(value)
    must = f"it must be {wanted}, such as" if wanted else "write it like"
    return cannot_work(name, f"{shown} cannot work; {must} {declared.example}")


def parse_flag(text: str) -> bool:
    """Reads yes or no, in the usual words.

    Raises:
        ValueError: the text is neither.
    """
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError(f"{text!r} is neither yes nor no")


def parse_text(text: str) -> str:
    """Takes any text but none: an empty one is a variable of a script that was never set.

    Raises:
        ValueError: the text is empty, or holds a NUL, which no path and no argument can.
    """
    if not text:
        raise ValueError("it is empty; leave it out for the default")
    if "\0" in text:
        raise ValueError(f"{text!r} holds a NUL")
    return text


def parse_count(text: str) -> int:
    """Reads a whole number.

    Raises:
        ValueError: the text is none.
    """
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{text!r} is not a whole number; write it like 16") from None
