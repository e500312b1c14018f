"""NIP-19: what people copy and paste comes back whole or not at all."""

from __future__ import annotations

import random
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nips import nip19
from nips.errors import InvalidEntity, NipError
from nips.keys import PublicKey, SecretKey
from nips.nip19 import MAX_ENTITY, Profile
from tests.support.strategies import hex_64, secret_keys, texts
from tests.support.wraps import AUTHOR

CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

# The examples of NIP-19.
NPUBS = {
    "npub10elfcs4fr0l0r8af98jlmgdh9c8tcxjvz9qkw038js35mp4dma8qzvjptg": (
        "7e7e9c42a91bfef19fa929e5fda1b72e0ebc1a4c1141673e2794234d86addf4e"
    ),
    "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6": (
        "3bf0c63fcb93463407af97a5e5ee64fa883d107ef9e558472c4eb9aaaefa459d"
    ),
}
NSEC = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
NSEC_HEX = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
NPROFILE = (
    "nprofile1qqsrhuxx8l9ex335q7he0f09aej04zpazpl0ne2cgukyawd24mayt8gpp4mhxue69uhhytnc9e3k7mgpz4mhxue69uhkg6nzv9ejuumpv"
    "34kytnrdaksjlyr9p"
)
PROFILE = Profile(
    PublicKey(NPUBS["npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"]),
    ("wss://r.x.com", "wss://djbas.sadkb.com"),
)

KEY = bytes.fromhex(AUTHOR.public_key)

relays = st.lists(st.text(st.characters(max_codepoint=127), max_size=60), max_size=3).map(tuple)


def _polymod(words: list[int]) -> int:
    checksum = 1
    for word in words:
        top, checksum = checksum >> 25, (checksum & 0x1FFFFFF) << 5 ^ word
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            checksum ^= generator * (top >> bit & 1)
    return checksum


def _bech32(prefix: str, words: list[int], constant: int = 1) -> str:
    """Return bech32 text of any words (BIP-173), right or wrong as NIP-19; bech32m has another constant."""
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    checked = _polymod(expanded + words + [0] * 6) ^ constant
    return prefix + "1" + "".join(CHARSET[w] for w in words + [checked >> 5 * (5 - i) & 31 for i in range(6)])


def _words(data: bytes, *, spare: int = 0) -> list[int]:
    bits = "".join(f"{byte:08b}" for byte in data)
    size = -len(bits) % 5
    bits += f"{spare:0{size}b}" if size else ""
    return [int(bits[start : start + 5], 2) for start in range(0, len(bits), 5)]


def _entries(*entries: tuple[int, bytes]) -> str:
    return _bech32("nprofile", _words(b"".join(bytes([kind, len(value)]) + value for kind, value in entries)))


@pytest.mark.parametrize("text", NPUBS)
def test_npub_of_the_nip(text: str) -> None:
    assert nip19.decode_npub(text) == NPUBS[text]
    assert nip19.encode_npub(PublicKey(NPUBS[text])) == text


def test_nsec_of_the_nip() -> None:
    assert nip19.decode_nsec(NSEC).reveal().hex() == NSEC_HEX
    assert nip19.encode_nsec(SecretKey(bytes.fromhex(NSEC_HEX))) == NSEC


def test_nprofile_of_the_nip() -> None:
    assert nip19.decode_nprofile(NPROFILE) == PROFILE
    assert nip19.encode_nprofile(PROFILE) == NPROFILE


@given(hex_64)
@settings(max_examples=50)
def test_npub_comes_back(key: str) -> None:
    assert nip19.decode_npub(nip19.encode_npub(PublicKey(key))) == key


@given(secret_keys)
@settings(max_examples=30)
def test_nsec_comes_back(secret: SecretKey) -> None:
    assert nip19.decode_nsec(nip19.encode_nsec(secret)) == secret


@given(hex_64, relays)
@settings(max_examples=50)
def test_nprofile_comes_back(key: str, urls: tuple[str, ...]) -> None:
    profile = Profile(PublicKey(key), urls)
    assert nip19.decode_nprofile(nip19.encode_nprofile(profile)) == profile


@pytest.mark.parametrize("text", [*NPUBS, NPROFILE])
def test_every_wrong_character_is_noticed(text: str) -> None:
    decode = nip19.decode_npub if text.startswith("npub") else nip19.decode_nprofile
    for position in range(len(text)):
        for character in CHARSET + "b1B é":
            if character != text[position]:
                with pytest.raises(InvalidEntity):
                    decode(text[:position] + character + text[position + 1 :])


@given(st.randoms(use_true_random=False), st.integers(2, 4))
@settings(max_examples=100)
def test_up_to_four_wrong_characters_are_noticed(chance: random.Random, count: int) -> None:
    text = list(next(iter(NPUBS)))
    for position in chance.sample(range(5, len(text)), count):
        text[position] = chance.choice([c for c in CHARSET if c != text[position]])
    with pytest.raises(InvalidEntity):
        nip19.decode_npub("".join(text))


@pytest.mark.parametrize("text", [*NPUBS, NSEC, NPROFILE])
def test_missing_doubled_or_swapped_characters_are_noticed(text: str) -> None:
    decode = {"npub": nip19.decode_npub, "nsec": nip19.decode_nsec}.get(text[:4], nip19.decode_nprofile)
    for position in range(len(text)):
        before, here, after = text[:position], text[position], text[position + 1 :]
        for changed in (before + after, before + here * 2 + after, before + after[:1] + here + after[1:], before):
            if changed != text:
                with pytest.raises(InvalidEntity):
                    decode(changed)


def test_upper_case_is_read_and_mixed_case_is_not() -> None:
    text, key = next(iter(NPUBS.items()))
    assert nip19.decode_npub(text.upper()) == key
    for mixed in (text[:10] + text[10:].upper(), text.capitalize(), "NPUB" + text[4:]):
        with pytest.raises(InvalidEntity, match="mixed case"):
            nip19.decode_npub(mixed)


@pytest.mark.parametrize(
    "text", ["", "1", "npub", "npub1", "npub1qqqqq", "1qqqqqq", "npub1\u0130", " " + NSEC, NSEC + "\n", "nostr:" + NSEC]
)
def test_what_is_no_bech32_is_refused(text: str) -> None:
    for decode in (nip19.decode_npub, nip19.decode_nsec, nip19.decode_nprofile):
        with pytest.raises(InvalidEntity):
            decode(text)


def test_one_entity_is_not_taken_for_another() -> None:
    texts_by_decoder = {nip19.decode_npub: next(iter(NPUBS)), nip19.decode_nsec: NSEC, nip19.decode_nprofile: NPROFILE}
    for decode in texts_by_decoder:
        for owner, text in texts_by_decoder.items():
            if owner is not decode:
                with pytest.raises(InvalidEntity, match=r"^not an n"):
                    decode(text)


def test_bech32m_is_another_encoding() -> None:
    words = _words(bytes.fromhex(NSEC_HEX))
    assert _bech32("nsec", words) == NSEC
    with pytest.raises(InvalidEntity, match="checksum"):
        nip19.decode_nsec(_bech32("nsec", words, constant=0x2BC830A3))


@pytest.mark.parametrize("length", [0, 1, 31, 33, 64])
def test_key_of_another_length_is_refused(length: int) -> None:
    for prefix, decode in (("npub", nip19.decode_npub), ("nsec", nip19.decode_nsec)):
        with pytest.raises(InvalidEntity, match="32 bytes"):
            decode(_bech32(prefix, _words(b"\x01" * length)))


@pytest.mark.parametrize("spare", [1, 8, 15])
def test_left_over_bits_are_zero(spare: int) -> None:
    with pytest.raises(InvalidEntity, match="left-over"):
        nip19.decode_npub(_bech32("npub", _words(b"\x01" * 32, spare=spare)))


@pytest.mark.parametrize("surplus", [1, 2])
def test_there_is_no_surplus_word(surplus: int) -> None:
    with pytest.raises(InvalidEntity, match=r"left-over|32 bytes"):
        nip19.decode_npub(_bech32("npub", _words(b"\x01" * 32) + [0] * surplus))


@pytest.mark.parametrize("size", range(40, 45))
def test_there_is_no_surplus_word_at_any_length(size: int) -> None:
    data = b"\x00\x20" + KEY + bytes([1, size - 36]) + b"a" * (size - 36)
    words = _words(data)
    assert nip19.decode_nprofile(_bech32("nprofile", words)).public_key == AUTHOR.public_key
    with pytest.raises(InvalidEntity):
        nip19.decode_nprofile(_bech32("nprofile", [*words, 0]))


@pytest.mark.parametrize("raw", [b"\x00" * 32, b"\xff" * 32])
def test_nsec_that_is_no_secret_key_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidEntity, match="group order"):
        nip19.decode_nsec(_bech32("nsec", _words(raw)))


def test_entries_of_unknown_types_are_ignored() -> None:
    profile = nip19.decode_nprofile(_entries((9, b"x"), (1, b"wss://a"), (0, KEY), (255, b""), (1, b"wss://b")))
    assert profile == Profile(AUTHOR.public_key, ("wss://a", "wss://b"))


@pytest.mark.parametrize(
    "entries",
    [[], [(1, b"wss://a")], [(0, KEY[1:])], [(0, KEY + b"x")], [(0, b""), (0, KEY)], [(0, KEY[:5]), (0, KEY)]],
)
def test_nprofile_begins_its_keys_with_one_of_32_bytes(entries: list[tuple[int, bytes]]) -> None:
    with pytest.raises(InvalidEntity, match="holds a public key"):
        nip19.decode_nprofile(_entries(*entries))


@pytest.mark.parametrize(
    "data", [b"\x00", b"\x00\x20" + KEY[1:], b"\x00\x20" + KEY + b"\x01", b"\x00\x20" + KEY + b"\x01\x02a"]
)
def test_entry_that_is_cut_short_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidEntity, match="cut short"):
        nip19.decode_nprofile(_bech32("nprofile", _words(data)))


def test_relays_of_an_nprofile_are_ascii() -> None:
    with pytest.raises(InvalidEntity, match="ASCII"):
        nip19.decode_nprofile(_entries((0, KEY), (1, "wss://é".encode())))
    for url in ("wss://é", "\ud800", "wss://" + "a" * 250):
        with pytest.raises(InvalidEntity, match="ASCII of at most 255"):
            nip19.encode_nprofile(Profile(AUTHOR.public_key, (url,)))
    longest = Profile(AUTHOR.public_key, ("wss://" + "a" * 249,))
    assert nip19.decode_nprofile(nip19.encode_nprofile(longest)) == longest


def test_entity_is_bounded_both_ways() -> None:
    for count in range(5, 20):
        profile = Profile(AUTHOR.public_key, ("wss://" + "a" * 200,) * count)
        text = _entries((0, KEY), *((1, url.encode()) for url in profile.relays))
        if len(text) <= MAX_ENTITY:
            assert nip19.decode_nprofile(text) == profile
            assert nip19.encode_nprofile(profile) == text
        else:
            with pytest.raises(InvalidEntity, match="too long"):
                nip19.decode_nprofile(text)
            with pytest.raises(InvalidEntity, match="at most 5000"):
                nip19.encode_nprofile(profile)


def test_public_key_is_read_from_npub_or_hex() -> None:
    for text, key in NPUBS.items():
        assert nip19.parse_public_key_text(text) == nip19.parse_public_key_text(key) == key


def test_secret_key_is_read_from_nsec_or_hex() -> None:
    secret = SecretKey(bytes.fromhex(NSEC_HEX))
    assert nip19.parse_secret_key_text(NSEC) == nip19.parse_secret_key_text(NSEC_HEX) == secret


@pytest.mark.parametrize(
    "text", ["", "npub", NSEC, "npub1" + "q" * 58, "A" * 64, "a" * 63, " " + "a" * 64, "a" * 64 + "\n"]
)
def test_text_that_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(InvalidEntity):
        nip19.parse_public_key_text(text)


@pytest.mark.parametrize(
    "text", ["", "nsec", NSEC[:-1], *NPUBS, NSEC_HEX.upper(), NSEC_HEX[:-1], "00" * 32, "ff" * 32, NSEC_HEX + "\n"]
)
def test_text_that_is_no_secret_key_is_refused_without_quoting_it(text: str) -> None:
    with pytest.raises(InvalidEntity) as refusal:
        nip19.parse_secret_key_text(text)
    shown = "".join(traceback.format_exception_only(refusal.value))
    assert len(text) < 10 or text not in shown
    assert NSEC_HEX[:8] not in shown
    assert refusal.value.__context__ is None or refusal.value.__suppress_context__


@given(
    st.one_of(
        texts,
        st.text(CHARSET + "1npubsecrofile", max_size=80),
        st.lists(st.integers(0, 31), max_size=80).map(lambda words: _bech32("nprofile", words)),
    )
)
@settings(max_examples=200)
def test_arbitrary_text_raises_nothing_else(text: str) -> None:
    for decode in (
        nip19.decode_npub,
        nip19.decode_nsec,
        nip19.decode_nprofile,
        nip19.parse_public_key_text,
        nip19.parse_secret_key_text,
    ):
        try:
            decode(text)
        except NipError as error:
            assert isinstance(error, InvalidEntity)
