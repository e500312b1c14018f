"""NIP-19: keys and pointers as text for people (bech32 entities)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from nips.errors import InvalidEntity, InvalidKey
from nips.keys import PublicKey, SecretKey, parse_public_key

MAX_ENTITY = 5000
"""Characters; NIP-19's own recommendation."""

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_SPECIAL, _RELAY = 0, 1


@dataclass(frozen=True, slots=True)
class Profile:
    """`nprofile`: a key and the relays where its owner is found."""

    public_key: PublicKey
    relays: tuple[str, ...]


def encode_npub(public_key: PublicKey) -> str:
    """Return the `npub` of a public key."""
    return _encode("npub", bytes.fromhex(public_key))


def decode_npub(text: str) -> PublicKey:
    """Return the public key of an `npub`; raise `InvalidEntity`."""
    return PublicKey(_decode_32("npub", text).hex())


def encode_nsec(secret: SecretKey) -> str:
    """Return the `nsec` of a secret key."""
    return _encode("nsec", secret.reveal())


def decode_nsec(text: str) -> SecretKey:
    """Return the secret key of an `nsec`; raise `InvalidEntity`."""
    try:
        return SecretKey(_decode_32("nsec", text))
    except InvalidKey as error:
        raise InvalidEntity(str(error)) from None


def encode_nprofile(profile: Profile) -> str:
    """Return the `nprofile` of a key and its relays; raise `InvalidEntity` for relays that do not fit into one."""
    if not all(url.isascii() and len(url) <= 255 for url in profile.relays):
        raise InvalidEntity("a relay URL in an nprofile is ASCII of at most 255 bytes")
    entries = [(_SPECIAL, bytes.fromhex(profile.public_key)), *((_RELAY, url.encode()) for url in profile.relays)]
    text = _encode("nprofile", b"".join(bytes([kind, len(value)]) + value for kind, value in entries))
    if len(text) > MAX_ENTITY:
        raise InvalidEntity(f"an nprofile has at most {MAX_ENTITY} characters")
    return text


def decode_nprofile(text: str) -> Profile:
    """Return key and relays of an `nprofile`; entries of unknown types are ignored (NIP-19)."""
    entries = list(_entries(_decode("nprofile", text)))
    key = next((value for kind, value in entries if kind == _SPECIAL), b"")
    if len(key) != 32:
        raise InvalidEntity("an nprofile holds a public key")
    try:
        relays = tuple(value.decode("ascii") for kind, value in entries if kind == _RELAY)
    except UnicodeDecodeError:
        raise InvalidEntity("a relay URL in an nprofile is ASCII") from None
    return Profile(PublicKey(key.hex()), relays)


def parse_public_key_text(text: str) -> PublicKey:
    """Return the key in an `npub` or in 64 lower-case hex digits; raise `InvalidEntity`."""
    if text.startswith("npub1"):
        return decode_npub(text)
    try:
        return parse_public_key(text)
    except InvalidKey:
        raise InvalidEntity("not an npub and not 64 lower-case hex digits") from None


def parse_secret_key_text(text: str) -> SecretKey:
    """Return the key in an `nsec` or in 64 lower-case hex digits; raise `InvalidEntity`, which never quotes it."""
    if text.startswith("nsec1"):
        return decode_nsec(text)
    try:
        return SecretKey(bytes.fromhex(parse_public_key(text)))
    except InvalidKey:
        raise InvalidEntity("not an nsec and not a secret key in 64 lower-case hex digits") from None


def _entries(data: bytes) -> Iterable[tuple[int, bytes]]:
    position = 0
    while position < len(data):
        value = data[position + 2 : position + 2 + data[position + 1]] if position + 1 < len(data) else b""
        if position + 1 >= len(data) or len(value) != data[position + 1]:
            raise InvalidEntity("an entry is cut short")
        yield data[position], value
        position += 2 + len(value)


def _decode_32(prefix: str, text: str) -> bytes:
    data = _decode(prefix, text)
    if len(data) != 32:
        raise InvalidEntity(f"an {prefix} holds 32 bytes")
    return data


def _encode(prefix: str, data: bytes) -> str:
    words = _regroup(data, 8, 5)
    checked = _polymod([*_expand(prefix), *words, 0, 0, 0, 0, 0, 0]) ^ 1
    checksum = [checked >> 5 * (5 - index) & 31 for index in range(6)]
    return f"{prefix}1{''.join(_CHARSET[word] for word in [*words, *checksum])}"


def _decode(prefix: str, text: str) -> bytes:
    if len(text) > MAX_ENTITY or not text.isascii() or text not in (text.lower(), text.upper()):
        raise InvalidEntity("not bech32: too long, or mixed case")
    found, separator, body = text.lower().rpartition("1")
    if not separator or found != prefix:
        raise InvalidEntity(f"not an {prefix}")
    words = [_CHARSET.find(character) for character in body]
    if len(words) < 6 or -1 in words or _polymod([*_expand(prefix), *words]) != 1:
        raise InvalidEntity("not bech32: the checksum does not fit")
    spare = len(words[:-6]) * 5 % 8
    if spare >= 5 or (spare and words[-7] & ((1 << spare) - 1)):
        raise InvalidEntity("not bech32: left-over bits")
    return bytes(_regroup(words[:-6], 5, 8))


def _expand(prefix: str) -> list[int]:
    return [ord(letter) >> 5 for letter in prefix] + [0] + [ord(letter) & 31 for letter in prefix]


def _polymod(words: Sequence[int]) -> int:
    checksum = 1
    for word in words:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ word
        for index, generator in enumerate(_GENERATOR):
            checksum ^= generator if top >> index & 1 else 0
    return checksum


def _regroup(words: Sequence[int], width: int, new_width: int) -> list[int]:
    total, bits, regrouped = 0, 0, []
    for word in words:
        total, bits = total << width | word, bits + width
        while bits >= new_width:
            bits -= new_width
            regrouped.append(total >> bits & ((1 << new_width) - 1))
        total &= (1 << bits) - 1
    if bits and new_width == 5:
        regrouped.append(total << (5 - bits) & 31)
    return regrouped
