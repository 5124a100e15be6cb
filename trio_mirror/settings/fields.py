"""How one setting is declared: a dataclass field that carries its help, its text form and its bounds.

`Settings` and `Options` consist of such fields. The command line, the environment, the configuration file,
the README and the error messages all read the same `Setting`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar

from trio_mirror.errors import SettingsError
from trio_mirror.settings.units import parse_count, parse_duration, parse_flag, parse_path, parse_text

if TYPE_CHECKING:
    _T = TypeVar("_T")
    _Also = TypeVar("_Also")

    class Parsed(Generic[_T, _Also]):
        """The type of a field that reads as the first type, and may also be given as the second one.

        Type checkers take the parameter of ``__init__`` from the setter. At run time there is no such class.
        """

        def __get__(self, instance: object, owner: object) -> _T: ...
        def __set__(self, instance: object, value: _T | _Also) -> None: ...

    OptionalPath: TypeAlias = Parsed[str | None, os.PathLike[str]]


_KINDS = {Integral: "a whole number", Real: "a number", str: "text", bool: "yes or no", tuple: "a pair of texts"}


class Panel(StrEnum):
    """The groups of options in ``--help``."""

    COMMON = "Common options"
    SELECTION = "Selection"
    OUTPUT = "Output"
    PARALLEL = "Parallelism"
    TIMEOUTS = "Timeouts"
    RETRIES = "Retries"
    RESUMING = "Resuming"
    LIMITS = "Limits"
    SERVER = "Server"


@dataclass(frozen=True)
class Form:
    """How one value of a field is written."""

    parse: Callable[[str], Any]
    """Reads it from text; raises ValueError with what is expected."""
    metavar: str
    kind: type[Any] = str
    """What it is in Python."""
    check: Callable[[Any], None] | None = None
    """Further checks; raises ValueError."""


@dataclass(frozen=True, kw_only=True)
class Setting(Form):
    """All that is declared about one field."""

    help_text: str
    panel: Panel
    shown: str
    """The default as people read it."""
    example: str
    """A valid value, as people write it."""
    zero: bool = False
    """Whether a number may be 0; it is never below."""
    most: int = sys.maxsize
    """The upper bound of a number."""
    optional: bool = False
    """Whether None is a value."""
    also: str | None = None
    """Another name of the option, or its letter."""
    repeatable: bool = False
    secret: bool = False

    @property
    def flag(self) -> bool:
        """Whether it is yes or no: ``--name`` and ``--no-name``."""
        return self.kind is bool

    @property
    def choices(self) -> tuple[str, ...]:
        """All values, where they can be enumerated."""
        return tuple(self.kind) if issubclass(self.kind, StrEnum) else ()


def table_of(declared: type) -> dict[str, Setting]:
    """The settings of a dataclass by the names of their fields, in order."""
    return {entry.name: entry.metadata["setting"] for entry in fields(declared)}


def option_name(field_name: str) -> str:
    """The option of a field: ``--flip-threads`` for ``flip_threads``."""
    return "--" + field_name.replace("_", "-")


def option_error(field_name: str, why: str) -> SettingsError:
    """An error that names the option of a field."""
    return SettingsError(f"{option_name(field_name)}: {why}", field=field_name)


def setting(
    default: Any,
    help_text: str,
    panel: Panel,
    form: Form,
    shown: str | None = None,
    example: str | None = None,
    **more: Any,
) -> Any:
    """Declares a field; a tuple as its default makes it repeatable."""
    shown = str(default) if shown is None else shown
    declared = Setting(
        **vars(form),
        help_text=help_text,
        panel=panel,
        shown=shown,
        example=shown if example is None else example,
        optional=default is None,
        repeatable=isinstance(default, tuple),
        **more,
    )
    return field(default=default, repr=not declared.secret, metadata={"setting": declared})


def text(
    help_text: str,
    panel: Panel,
    metavar: str,
    example: str,
    *,
    default: tuple[str, ...] | None = None,
    shown: str = "none",
) -> Any:
    """Declares a text that may be left out."""
    return setting(default, help_text, panel, Form(parse_text, metavar), shown, example)


def path(help_text: str, panel: Panel, metavar: str, example: str, *, shown: str = "none") -> Any:
    """Declares a path, or a place that may be one, that may be left out."""
    return setting(None, help_text, panel, Form(parse_path, metavar), shown, example)


def count(default: int | None, help_text: str, panel: Panel, **more: Any) -> Any:
    """Declares a whole number."""
    more = {"example": None if default else "100"} | more
    return setting(default, help_text, panel, Form(parse_count, "COUNT", Integral), **more)


def seconds(default: float | None, help_text: str, panel: Panel, **more: Any) -> Any:
    """Declares a time."""
    shown = "none" if default is None else f"{default:g}s"
    return setting(default, help_text, panel, Form(parse_duration, "TIME", Real), shown, "1m30s", **more)


def choice(default: StrEnum, help_text: str, panel: Panel) -> Any:
    """Declares one of the values of an enumeration."""
    kind = type(default)

    def parse(text: str) -> StrEnum:
        if text.lower() not in tuple(kind):
            raise ValueError(f"expected one of {', '.join(kind)}")
        return kind(text.lower())

    return setting(default, help_text, panel, Form(parse, "|".join(kind), kind))


def flag(
    help_text: str, panel: Panel, *, default: bool | None = False, shown: str | None = None, also: str | None = None
) -> Any:
    """Declares a yes or no."""
    shown = shown or ("on" if default else "off")
    return setting(default, help_text, panel, Form(parse_flag, "", bool), shown, "yes", also=also)


def value_of(name: str, declared: Setting, value: Any, origin: str | None = None) -> Any:
    """Checks a value of a field, in any form that Python's callers may write, and parses it where it is text.

    ``origin`` is where it was chosen, for errors; none means the option.

    Raises:
        SettingsError: the value is invalid.
    """
    try:
        if value is None and declared.optional:
            return None
        if not declared.repeatable:
            return _one_value(declared, value)
        each = (value,) if isinstance(value, str) else value
        if isinstance(each, bytes | Mapping) or not isinstance(each, Iterable):
            raise _invalid(declared, value, f"expected a list, for example [{declared.example!r}]")
        return tuple(_one_value(declared, tuple(it) if isinstance(it, list) else it) for it in each)
    except ValueError as error:
        raise SettingsError(f"{origin or option_name(name)}: {error}", field=name) from None


def _one_value(declared: Setting, value: Any) -> Any:
    read = os.fspath(value) if declared.kind is str and isinstance(value, os.PathLike) else value
    try:
        if isinstance(read, str):
            read = declared.parse(read)
        _check(declared, read)
    except ValueError as error:
        raise _invalid(declared, value, str(error)) from None
    return read


def _check(declared: Setting, value: Any) -> None:
    wanted = None
    # In Python a bool is an int, too.
    if not isinstance(value, declared.kind) or isinstance(value, bool) is not declared.flag:
        wanted = f"one of {', '.join(declared.choices)}" if declared.choices else _KINDS.get(declared.kind, "text")
    elif declared.kind in (Integral, Real):
        if value > declared.most:
            wanted = f"at most {declared.most:,}"
        # Written so that NaN is refused, too.
        elif not (value >= 0 if declared.zero else value > 0):
            wanted = "0 or more" if declared.zero else "a number above 0"
    if wanted is not None:
        raise ValueError(f"expected {wanted}, for example {declared.example}")
    if declared.check is not None:
        declared.check(value)


def _invalid(declared: Setting, value: Any, why: str) -> ValueError:
    return ValueError(f"invalid value: {why}" if declared.secret else f"invalid value {value!r}: {why}")
