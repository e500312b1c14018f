"""NIP-59: what opens, what does not, and for which reason."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings

from nips.errors import InvalidEvent, InvalidWrap
from nips.event import parse_event, verify_event
from nips.keys import SecretKey
from nips.nip19 import decode_nsec
from nips.nip59 import (
    MAX_PAYLOAD,
    Rumor,
    WrapWindow,
    check_times,
    make_rumor,
    open_wrap,
    recipient_of,
    seal_rumor,
    wrap_seal,
)
from tests.support import vectors
from tests.support.strategies import kinds, seconds, secret_keys, tags, texts
from tests.support.wraps import (
    AUTHOR,
    BRIDGE,
    LIVE,
    NOW,
    ONE_TIME,
    STORED,
    STRANGER,
    Json,
    a_nip_ac_call,
    a_rumor,
    a_seal,
    a_wrap,
    deviant_wraps,
    drawn,
    encrypted,
    identified,
    opened,
    signed,
    without,
)

DEVIANTS = deviant_wraps()
BOTH = pytest.mark.parametrize("compat", [False, True], ids=["strict", "compat"])


def _rumor(**changes: Any) -> Rumor:
    fields = {"created_at": NOW - 5, "kind": 24390, "tags": [["p", BRIDGE.public_key]], "content": "hi", **changes}
    return make_rumor(AUTHOR.public_key, **fields)


def _wrapped(rumor: Rumor, author: SecretKey = AUTHOR, *, kind: int = STORED, expires_at: int | None = None) -> Json:
    seal = seal_rumor(rumor, author, BRIDGE.public_key, created_at=NOW - 60, nonce=drawn("n1"), aux=drawn("a1"))
    assert (seal.kind, seal.tags, seal.pubkey, seal.created_at) == (13, (), author.public_key, NOW - 60)
    wrap = wrap_seal(
        seal,
        ONE_TIME,
        BRIDGE.public_key,
        kind=kind,
        created_at=NOW,
        expires_at=expires_at,
        nonce=drawn("n2"),
        aux=drawn("a2"),
    )
    assert (wrap.kind, wrap.pubkey, wrap.created_at) == (kind, ONE_TIME.public_key, NOW)
    return json.loads(wrap.to_json())  # type: ignore[no-any-return]


def _refusal(wrap: Json, *, compat: bool = False, now: int = NOW) -> str:
    with pytest.raises((InvalidWrap, InvalidEvent)) as refusal:
        opened(wrap, unsigned_seals=compat, now=now)
    return str(refusal.value)


# --- published examples


def _example(name: str) -> Any:
    return vectors.document(vectors.NIP59)[name]


def test_example_of_nip_59_opens() -> None:
    wrap, rumor = _example("wrap"), _example("rumor")
    recipient = SecretKey(bytes.fromhex(_example("keys")["recipient"]))
    found = opened(wrap, now=wrap["created_at"], by=recipient)
    assert json.loads(found.to_json()) == rumor


@pytest.mark.parametrize("side", ["receiver", "sender"])
def test_example_of_nip_17_opens(side: str) -> None:
    example = _example("nip17_example")
    wrap = example[f"wrap_to_{side}"]
    found = opened(wrap, now=wrap["created_at"], by=decode_nsec(example[f"{side}_nsec"]))
    assert (found.kind, found.content) == (14, example["message"])
    assert found.pubkey == decode_nsec(example["sender_nsec"]).public_key


# --- what opens


@BOTH
@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_proper_wrap_opens(kind: int, compat: bool) -> None:
    found = opened(a_wrap(a_seal(a_rumor()), kind=kind), unsigned_seals=compat)
    assert json.loads(found.to_json()) == a_rumor()


@given(secret_keys, seconds, kinds, tags, texts)
@settings(max_examples=60)
def test_wrapped_rumor_comes_back(
    author: SecretKey, created_at: int, kind: int, rumor_tags: list[list[str]], content: str
) -> None:
    rumor = make_rumor(author.public_key, created_at=created_at, kind=kind, tags=rumor_tags, content=content)
    for compat in (False, True):
        assert opened(_wrapped(rumor, author), unsigned_seals=compat) == rumor


def test_rumor_in_the_long_form_comes_back() -> None:
    rumor = _rumor(content="x" * 40_000)
    wrap = _wrapped(rumor)
    assert len(wrap["content"]) > 65_536
    assert opened(wrap) == rumor


def test_payload_larger_than_any_frame_is_not_decrypted() -> None:
    wrap = _wrapped(_rumor(content="x" * 70_000))
    assert len(wrap["content"]) > MAX_PAYLOAD == 131_072
    assert _refusal(wrap) == "wrap content: invalid payload size"


def test_rumor_has_one_id_for_all_recipients_and_no_sig() -> None:
    rumor = _rumor()
    assert without(json.loads(rumor.to_json()), ["id"]) == {
        "pubkey": AUTHOR.public_key,
        "created_at": NOW - 5,
        "kind": 24390,
        "tags": [["p", BRIDGE.public_key]],
        "content": "hi",
    }
    assert rumor.id == identified(without(json.loads(rumor.to_json()), ["id"]))["id"]


def test_wrap_carries_its_recipient_and_its_end_and_nothing_else() -> None:
    assert _wrapped(_rumor())["tags"] == [["p", BRIDGE.public_key]]
    assert _wrapped(_rumor(), expires_at=NOW + 9)["tags"] == [["p", BRIDGE.public_key], ["expiration", str(NOW + 9)]]


def test_only_its_author_seals_a_rumor() -> None:
    with pytest.raises(ValueError, match="only its author"):
        _wrapped(_rumor(), STRANGER)


@pytest.mark.parametrize("kind", [13, 1058, 1060, 21058])
def test_wrap_is_of_one_of_two_kinds(kind: int) -> None:
    with pytest.raises(ValueError, match="1059 or 21059"):
        _wrapped(_rumor(), kind=kind)


def test_unknown_fields_inside_are_left_out() -> None:
    seal = {**a_seal({**a_rumor(), "relay": "wss://a"}), "note": 1}
    assert json.loads(opened(a_wrap(seal)).to_json()) == a_rumor()


# --- what does not open


@BOTH
@pytest.mark.parametrize("name", DEVIANTS)
def test_deviant_wrap_is_refused_for_its_reason(name: str, compat: bool) -> None:
    wrap, refusal = DEVIANTS[name]
    assert _refusal(wrap, compat=compat).startswith(refusal)


def test_wrap_opens_for_its_recipient_only() -> None:
    wrap = verify_event(parse_event(a_wrap(a_seal(a_rumor()))))
    for other in (AUTHOR, STRANGER, ONE_TIME):
        with pytest.raises(InvalidWrap, match="another key"):
            open_wrap(wrap, other)


@BOTH
@pytest.mark.parametrize(
    "inside",
    ['{"kind":13,"kind":13}', '{"kind":NaN}', '{"tags":"\\ud800"}', "", '{"created_at":1' + "0" * 5000 + "}"],
    ids=["doubled key", "NaN", "lone surrogate", "nothing", "long integer"],
)
def test_json_inside_is_as_strict_as_outside(inside: str, compat: bool) -> None:
    if inside:
        assert "wrap content: " in _refusal(a_wrap(inside), compat=compat)
    assert "seal content: " in _refusal(a_wrap(a_seal(inside or " ")), compat=compat)


SEAL_FIELDS = ["pubkey", "created_at", "content"]
RUMOR_FIELDS = ["created_at", "kind", "tags", "content"]


@BOTH
@pytest.mark.parametrize("name", SEAL_FIELDS)
@pytest.mark.parametrize("is_signed", [True, False], ids=["signed", "unsigned"])
def test_seal_may_not_lack(name: str, is_signed: bool, compat: bool) -> None:
    seal = without(a_seal(a_rumor()), [name] if is_signed else [name, "sig", "id"])
    assert _refusal(a_wrap(seal), compat=compat).startswith("seal ")


@BOTH
@pytest.mark.parametrize("name", RUMOR_FIELDS)
@pytest.mark.parametrize("lacks", [[], ["id"]], ids=["with id", "without id"])
def test_rumor_may_not_lack(name: str, lacks: list[str], compat: bool) -> None:
    rumor = without(a_rumor(), [name, *lacks])
    assert _refusal(a_wrap(a_seal(rumor)), compat=compat) == f"rumor {name}: {_FORMS[name]}"


_FORMS = {
    "created_at": "not an integer from 0 to 9007199254740991",
    "kind": "not an integer from 0 to 65535",
    "tags": "not an array",
    "content": "not a string",
}


@BOTH
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("created_at", -1),
        ("created_at", 1.0),
        ("created_at", True),
        ("created_at", None),
        ("kind", 65536),
        ("kind", "24390"),
        ("kind", False),
        ("tags", [[]]),
        ("tags", [["p", 1]]),
        ("tags", None),
        ("content", {"_v": "1.0.0"}),
        ("content", None),
    ],
)
def test_rumor_with_a_field_of_another_form_is_refused(name: str, value: object, compat: bool) -> None:
    rumor = {**a_rumor(), name: value}
    for lacking in ([], ["id"]):
        if compat or not lacking:
            assert f"rumor {name}: " in _refusal(a_wrap(a_seal(without(rumor, lacking))), compat=compat)


@BOTH
@pytest.mark.parametrize("sig", [None, "", "00" * 64, False])
def test_rumor_with_any_sig_is_refused(sig: object, compat: bool) -> None:
    assert _refusal(a_wrap(a_seal({**a_rumor(), "sig": sig})), compat=compat) == "rumor sig: a rumor is not signed"


# --- compatibility: missing, never wrong

MAY_LACK = [("seal", "kind"), ("seal", "tags"), ("seal", "id"), ("seal", "sig"), ("rumor", "id"), ("rumor", "pubkey")]
LACKING = [lack for count in range(len(MAY_LACK) + 1) for lack in itertools.combinations(MAY_LACK, count)]


def _lacking(lack: tuple[tuple[str, str], ...], seal_changes: Json, rumor_changes: Json) -> Json:
    rumor = {**without(a_rumor(), [name for layer, name in lack if layer == "rumor"]), **rumor_changes}
    seal = {**without(a_seal(rumor), [name for layer, name in lack if layer == "seal"]), **seal_changes}
    return a_wrap(seal)


@pytest.mark.parametrize("lack", LACKING, ids=lambda lack: "+".join(map("-".join, lack)) or "nothing")
def test_lack_opens_with_compatibility_only(lack: tuple[tuple[str, str], ...]) -> None:
    wrap = _lacking(lack, {}, {})
    assert json.loads(opened(wrap, unsigned_seals=True).to_json()) == a_rumor()
    if lack:
        layer, name = lack[0] if lack[0][0] == "seal" else max(lack)
        assert _refusal(wrap).startswith(f"{layer} {name}")


ID = a_rumor()["id"]
WRONG: dict[tuple[str, str], list[object]] = {
    ("seal", "kind"): [14, 0, 1059, "13", 13.0, True, None, [13]],
    ("seal", "tags"): [[["p", BRIDGE.public_key]], [[]], {}, "", "[]", None, 0, False],
    ("seal", "id"): [ID, "00" * 32, "", None, 0, "A" * 64],
    ("seal", "sig"): [AUTHOR.sign(bytes.fromhex(ID), drawn("aux")).hex(), "00" * 64, "", None, 0, False],
    ("rumor", "id"): ["00" * 32, ID.upper(), "", None, 0, [ID]],
    ("rumor", "pubkey"): [STRANGER.public_key, AUTHOR.public_key.upper(), "", None, 0, [AUTHOR.public_key]],
}


@BOTH
@pytest.mark.parametrize("field", WRONG, ids="-".join)
def test_field_that_may_be_missing_is_never_wrong(field: tuple[str, str], compat: bool) -> None:
    layer, name = field
    for value, lack in itertools.product(WRONG[field], LACKING):
        if field not in lack and (compat or not lack):
            changes = {name: value}
            wrap = _lacking(lack, changes if layer == "seal" else {}, changes if layer == "rumor" else {})
            assert _refusal(wrap, compat=compat).startswith(f"{layer} {name}"), (value, lack)


def test_seal_of_another_kind_is_refused_however_well_signed() -> None:
    for seal in (a_seal(a_rumor(), kind=14), a_seal(a_rumor(), tags=[["t", "x"]])):
        for lacking in ([], ["sig"], ["id"], ["id", "sig"]):
            assert _refusal(a_wrap(without(seal, lacking)), compat=True).startswith(("seal kind", "seal tags"))


def test_unsigned_seal_in_somebody_elses_name_is_refused() -> None:
    for author in (STRANGER.public_key, BRIDGE.public_key, "ff" * 32):
        seal = {"pubkey": author, "content": encrypted(a_rumor(pubkey=author), AUTHOR, BRIDGE.public_key)}
        refusal = _refusal(a_wrap({**seal, "created_at": NOW}), compat=True)
        assert refusal in ("seal content: invalid MAC", "seal content: a public key is not on the curve")


def test_seal_as_the_web_client_of_buildit_makes_it_opens() -> None:
    rumor = without(a_rumor(), ["id", "pubkey"])
    content = encrypted(rumor, AUTHOR, BRIDGE.public_key)
    wrap = a_wrap({"pubkey": AUTHOR.public_key, "content": content, "created_at": NOW})
    assert json.loads(opened(wrap, unsigned_seals=True).to_json()) == a_rumor()
    with pytest.raises(InvalidWrap, match="seal kind: not 13"):
        open_wrap(verify_event(parse_event(wrap)), BRIDGE)


@BOTH
def test_signed_event_without_a_seal_is_never_a_request(compat: bool) -> None:
    offer = signed({"created_at": NOW, "kind": 24390, "tags": [], "content": a_rumor()["content"]}, AUTHOR)
    for wrap in (a_nip_ac_call(), a_wrap(offer, kind=LIVE), a_wrap(without(offer, ["sig", "id"]), kind=LIVE)):
        assert _refusal(wrap, compat=compat) == "seal kind: not 13"
    assert _refusal(a_wrap(without(offer, ["kind"]), kind=LIVE), compat=compat).startswith("seal ")


# --- recipients and times


def test_recipient_is_read_without_opening() -> None:
    assert recipient_of(parse_event(a_wrap("sealed", tags=[["t", "x"], ["p", BRIDGE.public_key, "wss://a"]]))) == (
        BRIDGE.public_key
    )


@pytest.mark.parametrize("kind", [1, 13, 14, 1058, 21060])
def test_only_wraps_have_a_recipient(kind: int) -> None:
    with pytest.raises(InvalidWrap, match="kind: not 1059 or 21059"):
        recipient_of(parse_event(a_wrap("sealed", kind=kind)))


@pytest.mark.parametrize(
    "bad", [[], [["p"]], [["p", ""]], [["p", "xyz"]], [["p"], ["p", BRIDGE.public_key]], [["P", BRIDGE.public_key]]]
)
def test_wrap_without_one_recipient_is_refused(bad: list[list[str]]) -> None:
    with pytest.raises(InvalidWrap, match="tags: "):
        recipient_of(parse_event(a_wrap("sealed", tags=bad)))


DAYS = 2 * 86_400 + 3600


@pytest.mark.parametrize(
    ("kind", "edge", "beyond"),
    [(STORED, -DAYS, -DAYS - 1), (STORED, 900, 901), (LIVE, -60, -61), (LIVE, 60, 61)],
)
def test_window_of_the_kind_holds_to_the_second(kind: int, edge: int, beyond: int) -> None:
    seal = a_seal(a_rumor())
    assert opened(a_wrap(seal, kind=kind, created_at=NOW + edge)).kind == 24390
    assert _refusal(a_wrap(seal, kind=kind, created_at=NOW + beyond)).startswith("created_at: more than")


def test_window_is_the_callers_to_choose() -> None:
    window = WrapWindow(past_seconds=10, future_seconds=20, ephemeral_seconds=5)
    for kind, past, future in ((STORED, 10, 20), (LIVE, 5, 5)):
        wrap = parse_event(a_wrap("sealed", kind=kind))
        check_times(wrap, now=NOW + past, window=window)
        check_times(wrap, now=NOW - future, window=window)
        for now in (NOW + past + 1, NOW - future - 1):
            with pytest.raises(InvalidWrap, match="created_at"):
                check_times(wrap, now=now, window=window)


def _expiring(*values: str, kind: int = STORED) -> Json:
    expirations = [["expiration", value] for value in values]
    return a_wrap(a_seal(a_rumor()), kind=kind, tags=[["p", BRIDGE.public_key], *expirations])


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_wrap_is_gone_at_its_expiration(kind: int) -> None:
    assert opened(_expiring(str(NOW + 1), kind=kind)).kind == 24390
    for over in ([str(NOW)], [str(NOW - 1)], ["0"], [str(NOW + 9), str(NOW)]):
        assert _refusal(_expiring(*over, kind=kind)) == "expiration: over"


@pytest.mark.parametrize("value", ["", "soon", "-1", "1e12", "9999999999.0", "9" * 30])
def test_wrap_with_a_malformed_expiration_is_refused(value: str) -> None:
    assert _refusal(_expiring(value)) == "expiration: not a time in whole seconds"
