"""Which incidents the operator was told of, kept in a file beside the database, which may be what is in trouble."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

log = logging.getLogger(__name__)

FILE: Final = "incidents.json"
MAX_BYTES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Told:
    """An incident of which the operator knows."""

    began_at: int
    returns: int


class IncidentMemory:
    """The open incidents by name, over a restart."""

    def __init__(self, home: Path) -> None:
        self._path = home / FILE
        self._told = dict(self._read())

    @property
    def told(self) -> Mapping[str, Told]:
        """What the operator was told and was not told to be over."""
        return dict(self._told)

    def keep(self, name: str, told: Told) -> None:
        """Remember that the operator knows of an incident."""
        self._told[name] = told
        self._write()

    def drop(self, name: str) -> None:
        """Remember that the operator knows that it is over."""
        if self._told.pop(name, None) is not None:
            self._write()

    def _read(self) -> Mapping[str, Told]:
        try:
            with self._path.open("rb") as file:
                content = json.loads(file.read(MAX_BYTES + 1))
            return {
                str(name): Told(began_at=int(told["began_at"]), returns=int(told["returns"]))
                for name, told in content.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            # At worst the operator is told of something again.
            log.warning("incidents of an earlier run not read", extra={"facts": {"error": type(error).__name__}})
            return {}

    def _write(self) -> None:
        content = {name: {"began_at": told.began_at, "returns": told.returns} for name, told in self._told.items()}
        part = self._path.with_name(f"{FILE}.part")
        try:
            part.write_text(json.dumps(content), encoding="utf-8")
            part.replace(self._path)
        except OSError as error:
            log.warning("incidents not written down", extra={"facts": {"error": type(error).__name__}})
