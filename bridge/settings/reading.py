"""From a `relay.toml` to settings, or to everything that is wrong with it at once."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

from bridge.settings.keys import key_of, table_of
from bridge.settings.pairs import impossible_pairs
from bridge.settings.problems import Problem, SettingsError, did_you_mean
from bridge.settings.tree import Settings
from bridge.settings.values import BadItems, BadValue, read_value, show_value, write_key

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound="DataclassInstance")


def load_settings(path: Path) -> Settings:
    """Read a settings file; raise `SettingsError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(
            str(path), [Problem("", "", "there is no such file; `switchboard init` makes one")]
        ) from None
    except OSError as error:
        raise SettingsError(str(path), [Problem("", "", f"cannot be read: {error.strerror}")]) from None
    except UnicodeDecodeError:
        raise SettingsError(str(path), [Problem("", "", "is not UTF-8 text; save it as UTF-8")]) from None
    return parse_settings(text, source=str(path))


def parse_settings(text: str, *, source: str = "relay.toml") -> Settings:
    """Return the settings in a text, defaults for what it leaves out; raise `SettingsError` naming `source`."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(source, [Problem("", "", f"is not TOML: {error}")]) from None
    except (ValueError, RecursionError):
        # Thousands of digits, or of brackets: tomllib lets both errors through.
        raise SettingsError(source, [Problem("", "", "has a number too long or lists nested too deep")]) from None
    reading = _Reading()
    settings = reading.table(Settings(), content, ())
    spoiled = {problem.key for problem in reading.problems}
    problems = [*reading.problems, *impossible_pairs(settings, spoiled=spoiled)]
    if problems:
        raise SettingsError(source, problems)
    return settings


@dataclass(slots=True)
class _Reading:
    """One pass over a file: values go in, problems pile up."""

    problems: list[Problem] = field(default_factory=list)

    def table(self, default: T, content: dict[str, Any], at: tuple[str, ...]) -> T:
        """Return a table with what the file says, and the defaults where it says nothing or nonsense."""
        declared = {entry.name: entry for entry in fields(default)}
        hints = get_type_hints(type(default))
        changed: dict[str, Any] = {}
        for name, value in content.items():
            path = (*at, name)
            if name not in declared:
                self._complain(path, _no_such(name, value, declared, at))
            elif table_of(declared[name]) is None:
                changed[name] = self._value(value, hints[name], declared[name], getattr(default, name), path)
            elif isinstance(value, dict):
                changed[name] = self.table(getattr(default, name), value, path)
            else:
                self._complain(path, f"this is a table: write [{full_name(path)}] and its keys below")
        return replace(default, **changed)

    def _value(self, value: object, hint: Any, declared: Field[Any], default: Any, path: tuple[str, ...]) -> Any:
        key = key_of(declared)
        try:
            return read_value(value, hint, key)
        except BadValue as bad:
            self.problems.append(Problem(full_name(path), show_value(value, key), str(bad)))
        except BadItems as bad:
            self.problems += [
                Problem(full_name(path), f"{show_value(item, key)} (item {position})", fix)
                for position, item, fix in bad.items
            ]
        return default

    def _complain(self, path: tuple[str, ...], fix: str) -> None:
        self.problems.append(Problem(full_name(path), "", fix))


def full_name(path: tuple[str, ...]) -> str:
    """Return a key's full name as TOML writes it."""
    return ".".join(write_key(name) for name in path)


def all_declared(table: Any, at: str = "") -> Iterator[tuple[str, Field[Any]]]:
    """Walk over everything declared in a table and the tables in it, each with the full name of its table."""
    for declared in fields(table):
        yield at, declared
        if table_of(declared) is not None:
            yield from all_declared(getattr(table, declared.name), f"{at}.{declared.name}".lstrip("."))


def _no_such(name: str, value: object, declared: dict[str, Field[Any]], at: tuple[str, ...]) -> str:
    is_table = isinstance(value, dict)
    noun = "table" if is_table else "key"
    places = [
        place
        for place, other in all_declared(Settings())
        if other.name == name and (table_of(other) is not None) == is_table and place != ".".join(at)
    ]
    if places:
        where = " and ".join(f"[{place}]" if place else "the top" for place in places)
        return f"there is no such {noun} here; it belongs to {where}"
    return f"there is no such {noun}{did_you_mean(name, declared) or '; take it out'}"
