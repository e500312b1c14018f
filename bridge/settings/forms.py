"""Forms of text that settings hold. Each returns what to write instead, or None when all is well."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit

from bridge.settings.ice_url import is_host, parse_ice_url
from bridge.settings.name_server import parse_name_server
from nips.kinds import WRAPS

MAX_URL_LENGTH = 2048

_LOOPBACK = ("127.0.0.1", "::1", "localhost")
_SOME_ADDRESS = "192.0.2.1"
_NAME = re.compile(r"(?!\.+$)[A-Za-z0-9._~-]{1,200}")
_NPUB = re.compile(r"npub1[02-9ac-hj-np-z]{58}")
_KIND_WINDOW = re.compile(r"[0-9]{1,5} [0-9]{1,10} [0-9]{1,10}")
_DOMAIN = re.compile(r"(?P<name>[a-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?")
_HEX_KEY = re.compile(r"[0-9a-f]{64}")


def host(value: str) -> str | None:
    """Ask for an address or a host name, without port and brackets."""
    return None if is_host(value) else "use an address or a host name without port, such as 127.0.0.1, :: or localhost"


def network(value: str) -> str | None:
    """Ask for an address or a network, and not for everybody."""
    try:
        is_everybody = ip_network(value).prefixlen == 0
    except ValueError:
        return "use an address or a network, such as 127.0.0.1, 10.0.0.0/8 or fd00::/8"
    return "use the addresses of the proxies; this would believe everybody" if is_everybody else None


def peer_network(value: str) -> str | None:
    """Ask for an address or a network."""
    try:
        is_nobody = ip_network(value).broadcast_address.is_unspecified
    except ValueError:
        is_nobody = True
    return "use an address or a network, such as 192.0.2.7, 10.0.0.0/8 or fd00::/8" if is_nobody else None


def own_address(value: str) -> str | None:
    """Ask for the address of one machine."""
    try:
        address = ip_address(value)
    except ValueError:
        return "use an address, such as 192.0.2.7 or 2001:db8::7"
    if address.is_unspecified or address.is_multicast or "%" in value:
        return "use an address that one machine has, such as 192.0.2.7 or 2001:db8::7; it stands in answers to clients"
    return None


def relay_url(value: str) -> str | None:
    """Ask for the address of a websocket."""
    return None if _is_websocket(value) else "use a ws:// or wss:// address, such as wss://relay.example.org"


def optional_relay_url(value: str) -> str | None:
    """Ask for the address of a websocket, or nothing."""
    return None if value == "" else relay_url(value)


def turn_url(value: str) -> str | None:
    """Ask for the address of a TURN server."""
    return _ice_url(value, schemes=("turn", "turns"), example="turn:turn.example.org:3478?transport=udp")


def turn_pattern(value: str) -> str | None:
    """Ask for the address of a TURN server with `%s` in place of its host."""
    fix = "use an address with one %s for the host, such as turn:%s:3478?transport=udp"
    if value.count("%") != 1 or "%s" not in value:
        return fix
    try:
        url = parse_ice_url(value.replace("%s", _SOME_ADDRESS))
    except ValueError:
        return fix
    return None if url.is_turn and url.host == _SOME_ADDRESS else fix


def stun_url(value: str) -> str | None:
    """Ask for the address of a STUN server."""
    return _ice_url(value, schemes=("stun", "stuns"), example="stun:turn.example.org:3478")


def optional_stun_url(value: str) -> str | None:
    """Ask for the address of a STUN server, or nothing; over UDP, since only that tells of a datagram's way."""
    if value == "" or (value.startswith("stun:") and stun_url(value) is None):
        return None
    return "use a stun: address, such as stun:stun.example.org:3478"


def optional_host(value: str) -> str | None:
    """Ask for a host name, or nothing."""
    return None if value == "" or is_host(value) else "use a host name without port, such as turn.example.org"


def optional_name(value: str) -> str | None:
    """Ask for what a provider calls something of ours, or nothing; it becomes part of an address."""
    if value == "" or _NAME.fullmatch(value):
        return None
    return "use the name as the provider shows it: letters, digits and any of . _ ~ -, at most 200"


def api_url(value: str) -> str | None:
    """Ask for the address of an API, to which secrets are sent."""
    return None if _is_api(value) else "use an https:// address without user, query and fragment, such as https://a.org"


def optional_api_url(value: str) -> str | None:
    """Ask for the address of an API, or nothing."""
    return None if value == "" else api_url(value)


def is_private(scheme: str, host: str) -> bool:
    """Tell whether nobody on the way reads what is sent to such an address: HTTPS, or this machine."""
    return scheme == "https" or (scheme == "http" and host in _LOOPBACK)


def name_server(value: str) -> str | None:
    """Ask for the address of a name server, with or without a port."""
    try:
        parse_name_server(value)
    except ValueError as error:
        return f"{error}; use an address such as 127.0.0.1, 127.0.0.1:5353 or [::1]:5353"
    return None


def optional_label(value: str) -> str | None:
    """Ask for a short name of the operator's own, or nothing."""
    if value == "" or (value.isprintable() and value.strip() == value and len(value) <= 64):
        return None
    return "use at most 64 visible characters, without a space at either end"


def account_key(value: str) -> str | None:
    """Ask for a public key. Only its form is looked at; whoever uses it decodes it and checks its sum."""
    if value.startswith(("nsec1", "ncryptsec1")):
        return "this is a SECRET key, and no secret belongs here: write the npub, and trust this nsec no longer"
    if _NPUB.fullmatch(value) or _HEX_KEY.fullmatch(value):
        return None
    return "use an npub, or a public key in 64 lower-case hex digits"


def domain(value: str) -> str | None:
    """Ask for the domain of a NIP-05 address, with a port if it has another than HTTPS has."""
    match = _DOMAIN.fullmatch(value)
    if match and is_host(match["name"]) and (match["port"] is None or 0 < int(match["port"]) < 65536):
        return None
    return "use a domain in lower case, such as example.org"


def optional_account_key(value: str) -> str | None:
    """Ask for a public key, or nothing."""
    return None if value == "" else account_key(value)


def file(value: str) -> str | None:
    """Ask for the name of a file, never for what is in it."""
    if value and value.isprintable() and not value.endswith("/") and len(value) <= 1024:
        return None
    return "use the name of a file, relative to the folder of this file or absolute"


def optional_file(value: str) -> str | None:
    """Ask for the name of a file, or nothing."""
    return None if value == "" else file(value)


def kept_kind(value: int) -> str | None:
    """Ask for a kind of which the newest event replaces the older ones (NIP-01)."""
    if value in (0, 3) or 10000 <= value < 20000 or 30000 <= value < 40000:
        return None
    return "use replaceable kinds: 0, 3, 10000 to 19999, 30000 to 39999"


def passed_kind(value: int) -> str | None:
    """Ask for a kind that relays do not store (NIP-01), and not for the answers to AUTH (NIP-42)."""
    if 20000 <= value < 30000 and value != 22242:
        return None
    return "use ephemeral kinds: 20000 to 29999 without 22242"


def kind_window(value: str) -> str | None:
    """Ask for a kind other than wraps, and how far from now its times may lie."""
    if _KIND_WINDOW.fullmatch(value) and kind_of_window(value) not in WRAPS and kind_of_window(value) < 65536:
        return None
    return 'use kind, seconds past and seconds ahead, such as "10050 31536000 60", and [wraps] for 1059 and 21059'


def kind_of_window(value: str) -> int:
    """Return the kind of which a window is written."""
    return int(value.split()[0])


def _ice_url(value: str, *, schemes: tuple[str, str], example: str) -> str | None:
    try:
        url = parse_ice_url(value)
    except ValueError as error:
        return f"{error}; use an address such as {example}"
    return None if url.scheme in schemes else f"use a {schemes[0]}: or {schemes[1]}: address, such as {example}"


def _is_websocket(value: str) -> bool:
    return _plain_scheme(value) in ("ws", "wss")


def _is_api(value: str) -> bool:
    scheme = _plain_scheme(value)
    return scheme is not None and "?" not in value and is_private(scheme, urlsplit(value).hostname or "")


def _plain_scheme(value: str) -> str | None:
    """Return the scheme of an address with a host and without user and fragment; None for anything else."""
    if len(value) > MAX_URL_LENGTH or not value.isprintable() or " " in value:
        return None
    try:
        parts = urlsplit(value)
        name, port = parts.hostname, parts.port
    except ValueError:
        return None
    is_plain = parts.username is None and parts.password is None and "#" not in value
    return parts.scheme if name is not None and is_host(name) and port != 0 and is_plain else None
