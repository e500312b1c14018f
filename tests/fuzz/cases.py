"""Cases for every parser: good material, changed in its structure, its text or its bytes.

Each maker takes a mutator and returns one case; one case in fifty is left good, so that what is taken is tried as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from nips import nip19
from tests.fuzz import sealing
from tests.fuzz.material import ENTITY_BYTES, HOPS, RESPONSES, TOML_VALUES, URLS, entities, settings_lines
from tests.fuzz.mutation import Mutator
from tests.fuzz.parsers import CHALLENGE, RELAY
from tests.support.wraps import AUTHOR, BRIDGE, NOW, ONE_TIME, STRANGER

Json = dict[str, Any]

UNTOUCHED: Final = 0.02


def mutant(value: Any, mutator: Mutator) -> str:
    """Return a value's text, changed somewhere."""
    if mutator.is_so(UNTOUCHED):
        return mutator.rendered(value)
    if mutator.is_so(0.75):
        value = mutator.changed(value)
        if mutator.is_so(0.8):
            return mutator.rendered(value)
    return mutator.text(mutator.rendered(value))


def an_event(mutator: Mutator) -> Json:
    """Return a good event of some kind."""
    kind = mutator.rng.choice((0, 1, 3, 5, 62, 1059, 10002, 10050, 21059, 22242, 24133, 30078))
    tags: list[list[str]] = {
        5: [["e", "ab" * 32], ["a", f"30023:{'ab' * 32}:x"], ["k", "1059"]],
        62: [["relay", "ALL_RELAYS"]],
        1059: [["p", BRIDGE.public_key]],
        10002: [["r", RELAY, "read"]],
        10050: [["relay", RELAY], ["relay", "ws://127.0.0.1:7447"]],
        21059: [["p", BRIDGE.public_key], ["expiration", str(NOW + 100)]],
        22242: [["relay", RELAY], ["challenge", CHALLENGE]],
    }.get(kind, [["e", "cd" * 32, RELAY], ["nonce", "1", "8"], ["-"]])
    content = mutator.rng.choice(("", "hello", 'é😀\u2028\x7f"\\\n', "{}"))
    fields = {"pubkey": STRANGER.public_key, "created_at": NOW, "kind": kind, "tags": tags, "content": content}
    return sealing.signed(fields, STRANGER)


def a_changed_event(mutator: Mutator) -> Any:
    """Return an event with something wrong, half of the time signed after that."""
    event = mutator.changed(an_event(mutator))
    if isinstance(event, dict) and mutator.is_so(0.5):
        # Raw text has no hash; such an event keeps the signature that it had.
        try:
            return sealing.signed(event, STRANGER)
        except TypeError:
            return event
    return event


def a_filter(mutator: Mutator) -> Json:
    """Return a good filter."""
    whole: Json = {
        "ids": ["ab" * 32],
        "authors": [AUTHOR.public_key, "cd" * 32],
        "kinds": [1059, 0, 21059],
        "#p": [BRIDGE.public_key],
        "#e": ["ef" * 32],
        "#t": ["", "x", "é"],
        "since": NOW - 100,
        "until": NOW + 100,
        "limit": 10,
    }
    return {name: member for name, member in whole.items() if mutator.is_so(0.5)}


def an_event_case(mutator: Mutator) -> str:
    """Return an event's text."""
    if mutator.is_so(0.7):
        return mutator.rendered(a_changed_event(mutator))
    return mutant(an_event(mutator), mutator)


def a_client_message(mutator: Mutator) -> str:
    """Return what a client might say."""
    subscription = mutator.rng.choice(("s", "sub-1", "x" * 64, "é"))
    match mutator.rng.randrange(6):
        case 0 | 1:
            event = a_changed_event(mutator) if mutator.is_so(0.6) else an_event(mutator)
            message: list[Any] = [mutator.rng.choice(("EVENT", "EVENT", "AUTH")), event]
        case 2 | 3:
            message = ["REQ", subscription, *(a_filter(mutator) for _ in range(mutator.rng.choice((1, 1, 2, 11))))]
        case 4:
            message = ["COUNT", subscription, a_filter(mutator)]
        case _:
            message = ["CLOSE", subscription]
    return mutant(message, mutator)


def a_relay_message(mutator: Mutator) -> str:
    """Return what a relay might say."""
    identity = "ab" * 32
    match mutator.rng.randrange(7):
        case 0 | 1:
            event = a_changed_event(mutator) if mutator.is_so(0.5) else an_event(mutator)
            message: list[Any] = ["EVENT", "s", event]
        case 2:
            words = mutator.rng.choice(("", "duplicate: have it", "auth-required: who?", "rate-limited: slow", "odd"))
            message = ["OK", identity, not words, words]
        case 3:
            message = ["EOSE", "s", *mutator.rng.choice(((), (["finish"],), (["more"],)))]
        case 4:
            message = ["CLOSED", "s", "restricted: not yours"]
        case 5:
            message = ["NOTICE", "hello"]
        case _:
            message = mutator.rng.choice((["AUTH", CHALLENGE], ["COUNT", "s", {"count": 3}]))
    return mutant(message, mutator)


def an_information(mutator: Mutator) -> str:
    """Return a relay's document."""
    limitation = {"max_message_length": 65536, "auth_required": True, "max_limit": 500, "min_pow_difficulty": 0}
    document = {
        "name": "a relay",
        "description": "é",
        "pubkey": "ab" * 32,
        "self": BRIDGE.public_key,
        "supported_nips": [1, 11, 42],
        "software": RELAY,
        "version": "1",
        "limitation": limitation,
        "fees": {"admission": [{"amount": 1}]},
    }
    return mutant(document, mutator)


def an_entity(mutator: Mutator) -> str:
    """Return a bech32 entity; half of them have a right check sum over wrong bytes."""
    good = entities()
    if mutator.is_so(0.5):
        prefix = mutator.rng.choice(("npub", "nsec", "nprofile", "note", "nprofil", ""))
        data = bytes.fromhex(mutator.rng.choice(ENTITY_BYTES))
        return nip19._encode(prefix, mutator.data(data) if mutator.is_so(0.9) else data)
    text = mutator.rng.choice(good)
    return text if mutator.is_so(UNTOUCHED) else mutator.text(text)


def a_payload(mutator: Mutator) -> str:
    """Return a payload as its text, broken anywhere."""
    text = sealing.encrypted(mutator.rng.choice(("a", "é" * 20, "x" * 33, "{}")), sealing.OF_SEAL)
    return text if mutator.is_so(UNTOUCHED) else mutator.text(text)


def a_padded_payload(mutator: Mutator) -> str:
    """Return a payload with the right MAC over a padding that may be wrong."""
    version = 2 if mutator.is_so(0.95) else mutator.rng.randrange(256)
    return sealing.padded_payload(_padding(mutator), sealing.OF_SEAL, version=version)


def a_padding(mutator: Mutator) -> str:
    """Return a padded text."""
    return _padding(mutator).decode("latin-1")


def _padding(mutator: Mutator) -> bytes:
    rare = (0, 31, 64, 65, 255, 257, 65_535, 65_536)
    length = mutator.rng.choice(rare if mutator.is_so(0.05) else (1, 32, 33))
    text = b"\xff" * length if mutator.is_so(0.1) else b"a" * length
    padded = bytearray(sealing.padded(text))
    match mutator.rng.randrange(4):
        case 0:
            padded[:2] = mutator.rng.choice((0, 1, (length + 1) % 65_536, 32, 33, 65_535)).to_bytes(2, "big")
        case 1:
            padded[:6] = bytes(2) + mutator.rng.choice((0, 1, 65_535, 65_536, 2**32 - 1)).to_bytes(4, "big")
        case 2:
            padded = bytearray(mutator.data(bytes(padded)))
    return bytes(padded)


def a_request(mutator: Mutator) -> Json:
    """Return the content of a good request."""
    request: Json = {"_v": "1.0.0", "id": f"r{mutator.rng.randrange(10**6)}", "params": {}}
    request["method"] = mutator.rng.choice(("bridge.info", "account.get", "turn.get_credentials", "no.such"))
    optional = {"expires_at": NOW + 60, "reply": "live", "invite": "abc", "new_field": [1, {"a": None}]}
    return request | {name: member for name, member in optional.items() if mutator.is_so(0.2)}


def a_request_content(mutator: Mutator) -> str:
    """Return the content of a request."""
    return mutant(a_request(mutator), mutator)


def a_response_content(mutator: Mutator) -> str:
    """Return the content of a response."""
    return mutant({**mutator.rng.choice(RESPONSES), "_v": "1.0.0", "id": "r1", "server_time": NOW}, mutator)


def a_value(mutator: Mutator) -> str:
    """Return a value for the schemas: envelopes, params, results."""
    good = mutator.rng.choice((a_request(mutator), *(member for each in RESPONSES for member in each.values())))
    return mutant(good, mutator)


def a_json(mutator: Mutator) -> str:
    """Return JSON of any kind."""
    good = mutator.rng.choice((a_request, an_event, a_filter))(mutator)
    text = mutant([good, {"a": [1.5, -0.0, 1e21, "\u2028"]}], mutator)
    return mutator.text(text) if mutator.is_so(0.3) else text


def a_settings_file(mutator: Mutator) -> str:
    """Return a settings file with a few lines changed."""
    lines = settings_lines()
    few = [mutator.rng.choice(lines) for _ in range(mutator.rng.choice((1, 3, 8)))] if mutator.is_so(0.8) else [*lines]
    place = mutator.rng.randrange(len(few))
    name, separator, _ = few[place].partition("=")
    if separator and mutator.is_so(0.7):
        few[place] = f"{name}= {mutator.rng.choice(TOML_VALUES)}"
    text = "\n".join(few)
    return mutator.text(text) if mutator.is_so(0.4) else text


def a_forwarded_header(mutator: Mutator) -> str:
    """Return what stands in `X-Forwarded-For`, of one header or two."""
    hops = [mutator.rng.choice(HOPS) for _ in range(mutator.rng.choice((1, 2, 5, 200)))]
    text = mutator.rng.choice((", ", ",", "\n")).join(hops)
    return text if mutator.is_so(0.1) else mutator.text(text)


def a_url(mutator: Mutator) -> str:
    """Return an address of a relay, a host or an ICE server."""
    text = mutator.rng.choice(URLS)
    return text if mutator.is_so(0.05) else mutator.text(text)


def a_wrap(mutator: Mutator) -> str:
    """Return a wrap that is wrong on its outside, its seal, its rumor or its content, and right around that."""
    return _LAYERS[mutator.rng.randrange(len(_LAYERS))](mutator)


def _wrong_outside(mutator: Mutator) -> str:
    wrap = sealing.wrap_of_rumor(sealing.compact(sealing.a_rumor("{}")))
    if mutator.is_so(0.5):
        return mutant(wrap, mutator)
    changed = mutator.changed(wrap)
    try:
        return sealing.compact(sealing.signed(changed, ONE_TIME))
    except (TypeError, AttributeError):
        return mutator.rendered(changed)


def _wrong_payload(mutator: Mutator) -> str:
    seal = mutator.text(sealing.encrypted("{}", sealing.OF_WRAP))
    return sealing.compact(sealing.a_wrap(seal.encode("utf-8", "replace").decode()))


def _wrong_padding(mutator: Mutator) -> str:
    if mutator.is_so(0.5):
        return sealing.compact(sealing.a_wrap(sealing.padded_payload(_padding(mutator), sealing.OF_WRAP)))
    payload = sealing.padded_payload(_padding(mutator), sealing.OF_SEAL)
    return sealing.compact(sealing.wrap_of_seal(sealing.compact(sealing.a_seal(payload))))


def _wrong_seal_text(mutator: Mutator) -> str:
    rumor = sealing.compact(sealing.a_rumor("{}"))
    seal = sealing.a_seal(sealing.encrypted(rumor, sealing.OF_SEAL))
    return sealing.compact(sealing.wrap_of_seal(mutant(seal, mutator)))


def _wrong_seal(mutator: Mutator) -> str:
    rumor = sealing.compact(sealing.a_rumor("{}"))
    seal = mutator.changed(sealing.a_seal(sealing.encrypted(rumor, sealing.OF_SEAL)))
    try:
        text = sealing.compact(sealing.signed(seal, AUTHOR))
    except (TypeError, AttributeError):
        text = mutator.rendered(seal)
    return sealing.compact(sealing.wrap_of_seal(text))


def _wrong_rumor_text(mutator: Mutator) -> str:
    return sealing.compact(sealing.wrap_of_rumor(mutant(sealing.a_rumor("{}"), mutator)))


def _wrong_rumor(mutator: Mutator) -> str:
    rumor = mutator.changed(sealing.a_rumor("{}"))
    try:
        text = sealing.compact({**rumor, "id": sealing.identity_of(rumor)})
    except (TypeError, AttributeError):
        text = mutator.rendered(rumor)
    return sealing.compact(sealing.wrap_of_rumor(text))


def _wrong_content(mutator: Mutator) -> str:
    content = a_request_content(mutator).encode("utf-8", "replace").decode()
    return sealing.compact(sealing.wrap_of_rumor(sealing.compact(sealing.a_rumor(content))))


_LAYERS: Final[Sequence[Callable[[Mutator], str]]] = (
    _wrong_outside,
    _wrong_payload,
    _wrong_padding,
    _wrong_seal_text,
    _wrong_seal,
    _wrong_rumor_text,
    _wrong_rumor,
    _wrong_content,
)

CASES: Final[dict[str, Callable[[Mutator], str]]] = {
    "json": a_json,
    "event": an_event_case,
    "filter": lambda mutator: mutant(a_filter(mutator), mutator),
    "client-message": a_client_message,
    "relay-message": a_relay_message,
    "information": an_information,
    "entity": an_entity,
    "payload": a_payload,
    "padded-payload": a_padded_payload,
    "padding": a_padding,
    "wrap": a_wrap,
    "seal": _wrong_seal_text,
    "rumor": _wrong_rumor_text,
    "inspection": a_wrap,
    "request": a_request_content,
    "response": a_response_content,
    "schemas": a_value,
    "settings": a_settings_file,
    "forwarded": a_forwarded_header,
    "urls": a_url,
}
"""A maker for each target."""


def a_case(target: str, *, seed: int, number: int) -> str:
    """Return a case; it depends on these three alone."""
    return CASES[target](Mutator(Random(f"{seed}/{target}/{number}")))
