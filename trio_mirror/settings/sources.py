"""Where each value comes from: option > environment > configuration file > default."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

from trio_mirror.errors import SettingsError
from trio_mirror.names import hide_credentials
from trio_mirror.settings.fields import Setting, option_name, table_of, value_of
from trio_mirror.settings.options import Options
from trio_mirror.settings.settings import Settings

CONFIG_FILE = "trio-mirror.toml"
"""Read from the working directory, where it is there."""


# Variables that are no settings of a run: the file of settings, the library of JPEG, what workers get.
_FURTHER = ("CONFIG", "TURBOJPEG", "SLICE_JOB")


class Chosen(NamedTuple):
    """A value, and where it was chosen."""

    value: Any
    origin: str
    """An option, a variable, or a file and its line."""


def all_settings() -> dict[str, Setting]:
    """The declarations of everything that can be set, by name: of `Options`, then of `Settings`."""
    return table_of(Options) | table_of(Settings)


def choose(options: Mapping[str, Any], environ: Mapping[str, str], file: str | None = None) -> dict[str, Chosen]:
    """Gathers what was chosen. What is not in the returned dict has its default.

    Without a configuration ``file``, `CONFIG_FILE` is read if there is one.

    Raises:
        SettingsError: the file cannot be read, or a value is invalid; the message names its origin.
    """
    table, chosen = all_settings(), dict[str, Chosen]()
    if file is not None or os.path.exists(CONFIG_FILE):
        chosen = read_config(CONFIG_FILE if file is None else os.path.expanduser(file))
    chosen |= {name: Chosen(value, variable_name(name)) for name, value in from_environment(environ).items()}
    for name, value in options.items():
        origin = "SOURCE" if name == "source" else option_name(name)
        chosen[name] = Chosen(value_of(name, table[name], value, origin), origin)
    return chosen


def build(chosen: Mapping[str, Chosen]) -> tuple[Options, Settings]:
    """Makes the two objects of what was chosen.

    Raises:
        SettingsError: values that do not go together; the message names where one was chosen.
    """
    try:
        return _made(Options, chosen), _made(Settings, chosen)
    except SettingsError as error:
        blamed = chosen.get(error.field or "")
        if blamed is None or blamed.origin.startswith("--"):
            raise
        raise SettingsError(f"{blamed.origin}: {error}", field=error.field) from error


def _made(kind: type, chosen: Mapping[str, Chosen]) -> Any:
    return kind(**{entry.name: chosen[entry.name].value for entry in fields(kind) if entry.name in chosen})


def variable_name(field_name: str) -> str:
    """The environment variable of a field: ``TRIO_MIRROR_FLIP_THREADS`` for ``flip_threads``."""
    return f"TRIO_MIRROR_{field_name.upper()}"


def from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    """Reads what ``TRIO_MIRROR_<FIELD>`` variables set; a repeatable one holds one value a line.

    Raises:
        SettingsError: an invalid value; the message names its variable.
    """
    values = {}
    for name, setting in all_settings().items():
        variable = variable_name(name)
        if text := environ.get(variable):
            # What reads a secret from a file often leaves the line break at its end.
            text = text.rstrip("\r\n") if setting.secret else text
            values[name] = value_of(name, setting, text.splitlines() if setting.repeatable else text, variable)
    return values


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """What to say of variables that look like ours and set nothing, as of one that is mistyped."""
    prefix, table = variable_name(""), all_settings()
    known = {*map(variable_name, table), *(f"{prefix}{it}" for it in _FURTHER)}
    return [
        f"{name}: there is no such setting{_nearest(name.removeprefix(prefix).lower(), table)}"
        for name in sorted(environ)
        if name.startswith(prefix) and name not in known
    ]


def read_config(file: str) -> dict[str, Chosen]:
    """Reads a configuration file: TOML, the names of the options as its keys.

    Raises:
        SettingsError: the file cannot be read, an unknown key, or an invalid value; the message names the
            file, the line and the key.
    """
    text = _text_of(file)
    parsed, table = _parse_toml(file, text), all_settings()
    lines = _lines_of_keys(text)
    chosen: dict[str, Chosen] = {}
    for key, value in parsed.items():
        name, origin = key.replace("-", "_"), f"{file}:{lines[key]}"
        if name not in table:
            raise SettingsError(f"{origin}: {key}: there is no such setting{_nearest(name, table)}")
        if name in chosen:
            raise SettingsError(f"{origin}: {key}: it is set twice, before at {chosen[name].origin}")
        chosen[name] = Chosen(value_of(name, table[name], _from_toml(value), f"{origin}: {key}"), origin)
    return chosen


def _text_of(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{file}: the configuration cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{file}: the configuration is not UTF-8") from error


def _parse_toml(file: str, text: str) -> dict[str, Any]:
    import tomllib

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        lines = text.split("\n")
        # Before Python 3.14 only the message has the place.
        place = re.search(r" \(at (?:line (\d+), column \d+|end of document)\)$", str(error))
        number = int(place[1]) if place and place[1] else len(lines)
        reason = str(error)[: place.start()] if place else str(error)
        if statement := re.match(r"\s*([\w-]+)\s*=", lines[number - 1]):
            reason = f"{statement[1]}: {_explained(reason, statement[1])}"
        raise SettingsError(f"{file}:{number}: {reason}") from error
    except (RecursionError, ValueError) as error:
        # Of values nested too deeply, and of numbers of more digits than Python reads.
        raise SettingsError(f"{file}: the configuration cannot be read: {error}") from error


def _explained(reason: str, key: str) -> str:
    """What is wrong with a statement, in the parser's words unless it is set twice, and how to write it."""
    if reason == "Cannot overwrite a value":
        return "it is set twice"
    setting = all_settings().get(key.replace("-", "_"))
    example = to_toml(setting.example) if setting else '"text"'
    return f"{reason}; texts stand in quotes: {key} = {example}"


def _lines_of_keys(text: str) -> dict[str, int]:
    """On which line each key stands, which tomllib does not say: found by parsing more and more lines."""
    import tomllib

    lines, found, begin = text.split("\n"), dict[str, int](), 0
    for end in range(1, len(lines) + 1):
        try:
            parsed = tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            # In the midst of a value of several lines.
            continue
        found |= {key: begin + 1 for key in parsed if key not in found}
        begin = end
    return found


def _nearest(name: str, table: Mapping[str, Setting]) -> str:
    import difflib

    near = difflib.get_close_matches(name, table, n=1)
    return f"; did you mean {near[0].replace('_', '-')}?" if near else "; --show-config lists them"


def _from_toml(value: Any) -> Any:
    """The value as `value_of` takes it: numbers as text, as in the environment."""
    if isinstance(value, list):
        return [_from_toml(it) for it in value]
    return str(value) if type(value) in (int, float) else value


def shown_config(chosen: Mapping[str, Chosen]) -> str:
    """All values, in the form of a configuration file, each with the place where it was chosen.

    Secrets are not shown, and defaults stand as comments, so that what is printed is a file that sets the same.
    """
    rows = []
    for name, setting in all_settings().items():
        key = name.replace("_", "-")
        if name not in chosen:
            rows.append((f"# {key} = {setting.shown}", "default"))
        elif setting.secret:
            rows.append((f"# {key} = (hidden)", chosen[name].origin))
        else:
            value = to_toml(chosen[name].value)
            hidden = hide_credentials(value)
            rows.append((f"{'# ' if hidden != value else ''}{key} = {hidden}", chosen[name].origin))
    width = max(len(text) for text, _ in rows if len(text) <= 40)
    return "\n".join(f"{text:{width}}  # {_escaped(origin)}" for text, origin in rows)


def to_toml(value: Any) -> str:
    """Writes a value of a setting in TOML."""
    match value:
        case bool() | int() | float():
            return str(value).lower()
        case tuple() | list():
            return f"[{', '.join(map(to_toml, value))}]"
        case _:
            return f'"{_escaped(str(value))}"'


def _escaped(text: str) -> str:
    """Escapes what TOML's basic strings do not hold (TOML 1.0, "String"), and what could steer a terminal."""
    return "".join(f"\\{it}" if it in '"\\' else it if it.isprintable() else f"\\U{ord(it):08x}" for it in text)
