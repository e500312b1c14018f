"""NIP-11: a relay's information document."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from nips.errors import InvalidDocument, InvalidJson
from nips.strict_json import dump, parse

MEDIA_TYPE = "application/nostr+json"
CORS_HEADERS = (
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Allow-Headers", "*"),
    ("Access-Control-Allow-Methods", "GET, OPTIONS"),
)

_HEX_64 = re.compile(r"[0-9a-f]{64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limitation:
    """What the relay refuses; sizes in bytes, times in seconds. None means that the relay does not say."""

    max_message_length: int | None = None
    max_subscriptions: int | None = None
    max_limit: int | None = None
    max_subid_length: int | None = None
    max_event_tags: int | None = None
    max_content_length: int | None = None
    min_pow_difficulty: int | None = None
    auth_required: bool | None = None
    payment_required: bool | None = None
    restricted_writes: bool | None = None
    created_at_lower_limit: int | None = None
    created_at_upper_limit: int | None = None
    default_limit: int | None = None


@dataclass(frozen=True, slots=True)
class RelayInformation:
    """The document; empty texts are left out."""

    name: str = ""
    description: str = ""
    pubkey: str = ""
    self: str = ""
    """The relay's own key, here the bridge's: how a client finds whom to ask."""
    contact: str = ""
    supported_nips: Sequence[int] = ()
    software: str = ""
    version: str = ""
    limitation: Limitation = field(default_factory=Limitation)

    def to_json(self) -> str:
        """Return the document's text."""
        value = {name: member for name, member in asdict(self).items() if member not in ("", (), [])}
        value["limitation"] = {name: member for name, member in asdict(self.limitation).items() if member is not None}
        return dump(value)


def parse_relay_information(text: str, *, max_bytes: int) -> RelayInformation:
    """Read another relay's document; fields of the wrong type or below zero are taken as absent, as relays differ."""
    try:
        value = parse(text, max_bytes=max_bytes)
    except InvalidJson as error:
        raise InvalidDocument(str(error)) from None
    if not isinstance(value, dict):
        raise InvalidDocument("a relay information document is an object")
    nips = value.get("supported_nips")
    return RelayInformation(
        **{name: _text(value, name) for name in ("name", "description", "contact", "software", "version")},
        pubkey=_key(value, "pubkey"),
        self=_key(value, "self"),
        supported_nips=tuple(nip for nip in nips if type(nip) is int) if isinstance(nips, list) else (),
        limitation=_limitation(value.get("limitation")),
    )


def _text(value: dict[str, Any], name: str) -> str:
    member = value.get(name)
    return member if isinstance(member, str) else ""


def _key(value: dict[str, Any], name: str) -> str:
    text = _text(value, name)
    return text if _HEX_64.fullmatch(text) else ""


def _limitation(value: object) -> Limitation:
    if not isinstance(value, dict):
        return Limitation()
    kinds = {name: bool if "_required" in name or name == "restricted_writes" else int for name in _LIMITS}
    usable = {name: value[name] for name, kind in kinds.items() if type(value.get(name)) is kind and value[name] >= 0}
    return Limitation(**usable)


_LIMITS = tuple(Limitation.__dataclass_fields__)
