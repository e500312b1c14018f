"""nostr-sdk 0.45 (rust-nostr) and we agree where it follows the NIPs; where it does not, that is written down here."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nips import nip19, nip44
from nips.errors import InvalidPayload, NipError
from nips.event import event_id, parse_event, sign_event, verify_event
from nips.keys import SecretKey
from nips.nip19 import Profile
from nips.nip59 import make_rumor, open_wrap
from nips.strict_json import dump
from tests.support.strategies import AWKWARD, kinds, secret_keys, tags, texts
from tests.support.wraps import AUTHOR, BRIDGE, NOW, Json, a_rumor, a_seal, a_wrap, deviant_wraps, drawn

sdk = pytest.importorskip("nostr_sdk", reason="no nostr-sdk: run ./test, which installs it")

# Its times end with the 63 bits of SQLite and Postgres integers.
times = st.integers(0, 2**53 - 1)


def _keys(secret: SecretKey) -> Any:
    return sdk.Keys.parse(secret.reveal().hex())


def _public(secret: SecretKey) -> Any:
    return sdk.PublicKey.parse(secret.public_key)


def _unsigned(**fields: Any) -> Any:
    return sdk.UnsignedEvent.from_json(dump(fields))


@given(secret_keys)
@settings(max_examples=30)
def test_public_keys_agree(secret: SecretKey) -> None:
    assert _keys(secret).public_key().to_hex() == secret.public_key


@given(secret_keys, times, kinds, tags, texts)
@example(AUTHOR, 0, 0, [[AWKWARD]], "".join(map(chr, range(0x80))) + AWKWARD)
@settings(max_examples=120)
def test_ids_agree(secret: SecretKey, created_at: int, kind: int, event_tags: list[list[str]], content: str) -> None:
    theirs = sdk.EventId.compute(
        _public(secret),
        sdk.Timestamp.from_secs(created_at),
        sdk.Kind(kind),
        [sdk.Tag.parse(tag) for tag in event_tags],
        content,
    )
    assert theirs.to_hex() == event_id(secret.public_key, created_at, kind, event_tags, content)


@given(secret_keys, times, kinds, tags, texts)
@settings(max_examples=40)
def test_signatures_are_good_both_ways(
    secret: SecretKey, created_at: int, kind: int, event_tags: list[list[str]], content: str
) -> None:
    fields: Json = {"created_at": created_at, "kind": kind, "tags": event_tags, "content": content}
    ours = sign_event(secret, **fields, aux=drawn("aux"))
    assert sdk.Event.from_json(ours.to_json()).verify()
    theirs = _unsigned(pubkey=secret.public_key, **fields).sign(_keys(secret))
    assert verify_event(parse_event(json.loads(theirs.as_json()))).id == ours.id


@pytest.mark.parametrize("field", ["id", "sig", "content", "created_at", "kind", "tags", "pubkey"])
def test_verdicts_on_corrupted_events_agree(field: str) -> None:
    good, other = (
        json.loads(sign_event(key, created_at=at, kind=kind, tags=[[text]], content=text, aux=drawn("aux")).to_json())
        for key, at, kind, text in ((AUTHOR, NOW, 1, "a"), (BRIDGE, NOW + 1, 2, "b"))
    )
    assert sdk.Event.from_json(json.dumps(good)).verify()
    mixed = {**good, field: other[field]}
    assert not sdk.Event.from_json(json.dumps(mixed)).verify()
    with pytest.raises(NipError):
        verify_event(parse_event(mixed))


@given(secret_keys, secret_keys, texts.filter(bool))
@settings(max_examples=40)
def test_payloads_are_read_both_ways(ours: SecretKey, theirs: SecretKey, text: str) -> None:
    key = nip44.conversation_key(ours, theirs.public_key)
    payload = sdk.nip44_encrypt(_keys(theirs).secret_key(), _public(ours), text, sdk.Nip44Version.V2)
    assert nip44.decrypt(payload, key, max_payload=1_000_000) == text
    payload = nip44.encrypt(text, key, drawn(text))
    assert sdk.nip44_decrypt(_keys(theirs).secret_key(), _public(ours), payload) == text


@pytest.mark.parametrize("length", [1, 32, 33, 256, 257, 1024, 65_408, 65_535])
def test_payloads_are_read_both_ways_in_the_short_form(length: int) -> None:
    text = "x" * length
    key = nip44.conversation_key(AUTHOR, BRIDGE.public_key)
    payload = nip44.encrypt(text, key, drawn("nonce"))
    assert sdk.nip44_decrypt(_keys(BRIDGE).secret_key(), _public(AUTHOR), payload) == text
    # It sends no more than 65 408 bytes, though it reads the whole of the short form.
    if length <= 65_408:
        payload = sdk.nip44_encrypt(_keys(BRIDGE).secret_key(), _public(AUTHOR), text, sdk.Nip44Version.V2)
        assert nip44.decrypt(payload, key, max_payload=1_000_000) == text


def test_long_form_is_not_for_peers_on_rust_nostr() -> None:
    payload = nip44.encrypt("x" * 65_536, nip44.conversation_key(AUTHOR, BRIDGE.public_key), drawn("nonce"))
    with pytest.raises(sdk.NostrSdkError):
        sdk.nip44_decrypt(_keys(BRIDGE).secret_key(), _public(AUTHOR), payload)


@given(st.integers(0, 10_000), st.sampled_from("A/z09+=-_ \n#"), st.booleans())
@settings(max_examples=100)
def test_verdicts_on_corrupted_payloads_agree(position: int, put: str, is_inserted: bool) -> None:
    key = nip44.conversation_key(AUTHOR, BRIDGE.public_key)
    payload = nip44.encrypt("x" * 33, key, drawn("nonce"))
    at = position % (len(payload) + 1)
    changed = payload[:at] + put + payload[at + (0 if is_inserted else 1) :]
    try:
        ours: str | None = nip44.decrypt(changed, key, max_payload=1000)
    except InvalidPayload:
        ours = None
    try:
        theirs = sdk.nip44_decrypt(_keys(BRIDGE).secret_key(), _public(AUTHOR), changed)
    except sdk.NostrSdkError:
        theirs = None
    assert ours == theirs == ("x" * 33 if changed == payload else None)


@given(secret_keys, times, kinds, tags, texts)
@settings(max_examples=40)
def test_their_wraps_open_here(
    author: SecretKey, created_at: int, kind: int, rumor_tags: list[list[str]], content: str
) -> None:
    rumor = make_rumor(author.public_key, created_at=created_at, kind=kind, tags=rumor_tags, content=content)
    unsigned = sdk.UnsignedEvent.from_json(rumor.to_json())
    wrap = sdk.nip59_make_gift_wrap(_keys(author), _public(BRIDGE), unsigned)
    event = verify_event(parse_event(json.loads(wrap.as_json())))
    for compat in (False, True):
        assert open_wrap(event, BRIDGE, unsigned_seals=compat) == rumor


@given(secret_keys, kinds, tags, texts)
@settings(max_examples=40)
def test_our_wraps_open_there(author: SecretKey, kind: int, rumor_tags: list[list[str]], content: str) -> None:
    rumor = make_rumor(author.public_key, created_at=NOW, kind=kind, tags=rumor_tags, content=content)
    wrap = a_wrap(a_seal(rumor.to_json(), author=author))
    found = sdk.UnwrappedGift.from_gift_wrap(_keys(BRIDGE), sdk.Event.from_json(json.dumps(wrap)))
    assert found.sender().to_hex() == author.public_key
    assert json.loads(found.rumor().as_json()) == json.loads(rumor.to_json())


@pytest.mark.parametrize("name", deviant_wraps())
def test_wrap_that_opens_there_and_not_here_is_a_known_one(name: str) -> None:
    # It leaves the recipient to its caller, and does not look at a seal's kind and tags or a rumor's id and sig.
    laxer = {"rumor id wrong", "rumor signed", "seal with tags", "no p tag", "p tag of somebody else", "two p tags"}
    laxer |= {"the same p tag twice", "p tag without a value", "p tag in upper case", "seal of another kind"}
    wrap, _ = deviant_wraps()[name]
    try:
        event = sdk.Event.from_json(json.dumps(wrap))
        opens = event.verify() and bool(sdk.UnwrappedGift.from_gift_wrap(_keys(BRIDGE), event))
    except sdk.NostrSdkError:
        opens = False
    assert opens is (name in laxer)


@given(secret_keys)
@settings(max_examples=30)
def test_npub_and_nsec_agree(secret: SecretKey) -> None:
    npub, nsec = nip19.encode_npub(secret.public_key), nip19.encode_nsec(secret)
    assert _public(secret).to_bech32() == npub
    assert _keys(secret).secret_key().to_bech32() == nsec
    assert sdk.PublicKey.parse(npub).to_hex() == secret.public_key
    assert sdk.SecretKey.parse(nsec).to_hex() == secret.reveal().hex()


@given(secret_keys, st.lists(st.sampled_from(["wss://a.example.com", "ws://b:7777", "wss://c.org/path"]), max_size=3))
@settings(max_examples=30)
def test_nprofiles_are_read_both_ways(secret: SecretKey, relays: list[str]) -> None:
    ours = Profile(secret.public_key, tuple(relays))
    theirs = sdk.Nip19Profile(_public(secret), [sdk.RelayUrl.parse(url) for url in relays])
    assert nip19.decode_nprofile(theirs.to_bech32()) == ours
    found = sdk.Nip19Profile.from_bech32(nip19.encode_nprofile(ours))
    assert found.public_key().to_hex() == secret.public_key
    assert [str(url) for url in found.relays()] == relays


def test_proper_wrap_opens_there_too() -> None:
    event = sdk.Event.from_json(json.dumps(a_wrap(a_seal(a_rumor()))))
    assert json.loads(sdk.UnwrappedGift.from_gift_wrap(_keys(BRIDGE), event).rumor().as_json()) == a_rumor()
