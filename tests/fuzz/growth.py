"""How the cost of reading grows with the size of what is read, and the baits that would make it grow faster than that.

Cost is CPU time, the least of several rounds: other programs only ever add to it. Linear reading of sixteen times as
much costs four times what four times as much costs, quadratic reading sixteen times.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bridge.envelope import read_content, read_request
from bridge.errors import MalformedRequest
from bridge.relay.addresses import Addresses
from bridge.relay.limits import AddressLimits
from bridge.settings import forms
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from client.envelope import parse_response
from client.errors import InvalidResponse
from client.results import parse_account, parse_bridge_info, parse_turn_credentials
from nips import nip17, nip19, nip40, nip42, nip44
from nips.errors import NipError
from nips.event import Event, event_id, parse_event, verify_event
from nips.filter import parse_filter
from nips.keys import PublicKey
from nips.messages import MessageLimits, parse_client_message, parse_relay_message
from nips.nip11 import parse_relay_information
from nips.nip59 import make_rumor, open_wrap
from nips.strict_json import parse
from protocol.catalogue import load_catalogue
from protocol.validation import Invalid, validate_envelope, validate_params, validate_response, validate_result
from tests.fuzz import sealing
from tests.support.wraps import AUTHOR, BRIDGE, NOW

ROOM: Final = 1 << 26
ANY: Final = 1 << 40
REFUSALS: Final = (NipError, MalformedRequest, SettingsError, InvalidResponse, Invalid, ValueError)

MOST: Final = 8
"""Times the cost, for four times the size."""
HOPELESS: Final = 12
SLACK_SECONDS: Final = 0.0005
ROUNDS: Final = range(3, 16)

Read = Callable[[Any], object]


@dataclass(frozen=True, slots=True)
class Bait:
    """Something that grows, and its reader."""

    read: Read
    grown: Callable[[int], Any]
    base: int = 20_000
    """Size of the smallest, in whatever it grows by."""


def is_proportionate(bait: Bait) -> bool:
    """Tell whether reading sixteen times as much costs at most so much more as linear reading can.

    The rounds end with the first that shows it, and when nothing can come of more of them.
    """
    material = [bait.grown(bait.base * times) for times in (1, 4, 16)]
    least = [float("inf")] * 3
    for done in range(1, ROUNDS.stop):
        for place, case in enumerate(material):
            least[place] = min(least[place], cost(bait.read, case))
            if place and done >= ROUNDS.start and least[place] > HOPELESS * (least[place - 1] + SLACK_SECONDS):
                return False
        if done >= ROUNDS.start and least[2] <= MOST * least[1] + SLACK_SECONDS:
            return True
    return False


def cost(read: Read, case: object) -> float:
    """Return the CPU seconds of reading a case, refused or not, whatever other threads do meanwhile."""
    gc.disable()
    start = time.thread_time()
    try:
        read(case)
    except REFUSALS:
        pass
    finally:
        gc.enable()
    return time.thread_time() - start


LIMITS: Final = MessageLimits(
    max_message_bytes=ROOM, max_subscription_id=ANY, max_filters=ANY, max_filter_values=ANY, max_tag_conditions=ANY
)
HEX: Final = "ab" * 32
EVENT: Final = sealing.a_rumor("")


def _json(text: str) -> object:
    return parse(text, max_bytes=ROOM)


def _nested(text: str) -> object:
    return parse(text, max_bytes=ROOM, max_depth=100)


def _event(value: Any) -> object:
    event = parse_event(value)
    return event, event_id(event.pubkey, event.created_at, event.kind, event.tags, event.content)


def _of_tags(read: Callable[[Event], object]) -> Read:
    return lambda tags: read(Event(HEX, PublicKey(HEX), NOW, 22242, tags, "", HEX * 2))


def _auth(event: Event) -> object:
    return nip42.check_auth(event, relay_url="wss://a.example", challenge="c", now=NOW, window_seconds=60)


def _filter(value: Any) -> object:
    wanted = parse_filter(value, max_values=ANY, max_tag_conditions=ANY)
    return wanted.weight, wanted.to_dict()


def _request(content: str) -> object:
    rumor = make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[], content=content)
    return read_request(read_content(rumor, max_bytes=ROOM))


def _params(value: Any) -> object:
    for method in load_catalogue().methods:
        for check in (validate_params, validate_result):
            _tried(lambda check=check, method=method: check(method, value))  # type: ignore[misc]
    return _tried(lambda: validate_response(value)), _tried(lambda: validate_envelope(value))


def _results(value: Any) -> object:
    return _tried(lambda: parse_bridge_info(value)), _tried(lambda: parse_account(value)), _turn(value)


def _turn(value: Any) -> object:
    return _tried(lambda: parse_turn_credentials(value))


def _tried(read: Callable[[], object]) -> object:
    try:
        return read()
    except REFUSALS:
        return None


def _client(text: str) -> object:
    return parse_client_message(text, LIMITS)


def _relay(text: str) -> object:
    return parse_relay_message(text, LIMITS)


def _information(text: str) -> object:
    return parse_relay_information(text, max_bytes=ROOM)


def _decrypted(payload: str) -> object:
    return nip44.decrypt(payload, sealing.OF_SEAL, max_payload=ROOM)


def _opened(wrap: Any) -> object:
    return open_wrap(verify_event(parse_event(wrap)), BRIDGE)


def _url(text: str) -> object:
    checks = (forms.host, forms.relay_url, forms.turn_url, forms.account_key, forms.file)
    return [check(text) for check in checks], nip42.relay_address(text), _tried(lambda: parse_ice_url(text))


def _forwarded(text: str) -> object:
    return Addresses(AddressLimits(trusted_proxies=("127.0.0.1",))).caller("127.0.0.1", [text])


def _entities(text: str) -> object:
    return [
        _tried(lambda read=read: read(text))  # type: ignore[misc]
        for read in (nip19.decode_npub, nip19.decode_nprofile, nip19.parse_public_key_text, nip19.parse_secret_key_text)
    ]


def _request_text(params: object, **fields: object) -> str:
    return sealing.compact({"_v": "1.0.0", "id": "r", "method": "bridge.info", "params": params, **fields})


def _wrapped(rumor: Mapping[str, Any]) -> object:
    return sealing.wrap_of_rumor(sealing.compact(rumor))


def _nprofile(size: int) -> str:
    relays = b"".join(bytes([1, 9]) + b"wss://a.b" for _ in range(size // 20))
    return nip19._encode("nprofile", bytes([0, 32]) + bytes(32) + relays)


_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

BAITS: Final[dict[str, Bait]] = {
    "json: brackets": Bait(_json, lambda n: "[" * n),
    "json: brackets closed": Bait(_json, lambda n: "[" * 40 + "[]," * n),
    "json: objects": Bait(_json, lambda n: '{"a":' * n),
    "json: brackets in text": Bait(_json, lambda n: "[" * 40 + '"' + "[{" * n),
    "json: unterminated": Bait(_json, lambda n: "[" * 40 + '"\\' * n),
    "json: quotes": Bait(_json, lambda n: "[" * 40 + '"' * n),
    "json: backslashes": Bait(_json, lambda n: "[" * 40 + '"' + "\\" * (n + 1)),
    "json: escapes": Bait(_json, lambda n: '"' + '\\n\\"' * n + '"'),
    "json: unicode escapes": Bait(_json, lambda n: '"' + "\\u00e9" * n + '"'),
    "json: surrogate pairs": Bait(_json, lambda n: '"' + "\\ud83d\\ude00" * n + '"'),
    "json: lone surrogate last": Bait(_json, lambda n: '["' + "\\u0041" * n + '\\ud800"]'),
    "json: keys": Bait(_json, lambda n: "{" + ",".join(f'"k{i}":0' for i in range(n)) + "}"),
    "json: doubled key last": Bait(_json, lambda n: "{" + ",".join(f'"k{i}":0' for i in range(n)) + ',"k0":0}'),
    "json: digits": Bait(_json, lambda n: "1" * n),
    "json: decimals": Bait(_json, lambda n: "0." + "1" * n),
    "json: exponent": Bait(_json, lambda n: "1e" + "0" * n + "1"),
    "json: numbers": Bait(_json, lambda n: "[" + "1.25e3," * n + "1]"),
    "json: minus signs": Bait(_json, lambda n: "-" * n),
    "json: spaces": Bait(_json, lambda n: " " * n + "[" + " " * n + "]" + " " * n),
    "json: beyond ASCII": Bait(_json, lambda n: '"' + "é😀" * n + '"'),
    "json: arrays in arrays": Bait(_nested, lambda n: "[" + ",".join(["[" * 50 + "]" * 50] * (n // 100)) + "]"),
    "event: tags": Bait(_event, lambda n: {**EVENT, "sig": HEX * 2, "tags": [["p", HEX]] * n}),
    "event: tag": Bait(_event, lambda n: {**EVENT, "sig": HEX * 2, "tags": [["p"] + [HEX] * n]}),
    "event: content": Bait(_event, lambda n: {**EVENT, "sig": HEX * 2, "content": '\x00\n"\\é😀' * n}),
    "event: bad last tag": Bait(_event, lambda n: {**EVENT, "tags": [["p", HEX]] * n + [[]]}),
    "event: hex": Bait(_event, lambda n: {**EVENT, "id": "a" * n}),
    "event: fields": Bait(_event, lambda n: {**EVENT, "sig": HEX * 2, **{f"f{i}": i for i in range(n)}}),
    "filter: ids": Bait(_filter, lambda n: {"ids": [f"{i:064x}" for i in range(n)]}),
    "filter: same ids": Bait(_filter, lambda n: {"ids": [HEX] * n}),
    "filter: kinds": Bait(_filter, lambda n: {"kinds": [i % 65_536 for i in range(n)]}),
    "filter: long values": Bait(_filter, lambda n: {f"#{letter}": ["x" * n] for letter in _LETTERS[:8]}),
    "filter: values of tags": Bait(_filter, lambda n: {"#t": [str(i) for i in range(n)]}),
    "filter: bad last": Bait(_filter, lambda n: {"authors": [HEX] * n + ["x"]}),
    "client: filters": Bait(_client, lambda n: '["REQ","s"' + ',{"kinds":[1]}' * n + "]"),
    "client: subscription": Bait(_client, lambda n: f'["CLOSE","{"s" * n}"]'),
    "client: elements": Bait(_client, lambda n: '["EVENT"' + ",{}" * n + "]"),
    "client: unknown verb": Bait(_client, lambda n: f'["{"X" * n}"]'),
    "relay: words": Bait(_relay, lambda n: f'["OK","{HEX}",true,"{":" * n}"]'),
    "relay: elements": Bait(_relay, lambda n: '["EOSE","s"' + ",1" * n + "]"),
    "relay: notice": Bait(_relay, lambda n: f'["NOTICE","{"é" * n}"]'),
    "information: nips": Bait(_information, lambda n: '{"supported_nips":[' + "1," * n + "1]}"),
    "information: name": Bait(
        _information,
        lambda n: f'{{"name":"{"n" * n}","self":"{"a" * n}"}}',
    ),
    "entity: data": Bait(_entities, lambda n: "npub1" + "q" * n, base=300),
    "entity: entries": Bait(_entities, _nprofile, base=180),
    "entity: separators": Bait(_entities, lambda n: "1" * n, base=20_000),
    "entity: digits": Bait(_entities, lambda n: "a" * n, base=20_000),
    "expiration: tags": Bait(_of_tags(nip40.expiration), lambda n: (("expiration", str(NOW)),) * n),
    "expiration: digits": Bait(_of_tags(nip40.expiration), lambda n: (("expiration", "1" * n),)),
    "inbox relays: different": Bait(
        _of_tags(lambda event: nip17.inbox_relays(event, maximum=3)),
        lambda n: tuple(("relay", f"wss://r{i}.example") for i in range(n)),
        base=2000,
    ),
    "auth: tags": Bait(_of_tags(_auth), lambda n: (("x", "y"),) * n),
    "auth: challenge": Bait(_of_tags(_auth), lambda n: (("challenge", "c" * n), ("relay", "wss://a.example"))),
    "auth: relay": Bait(_of_tags(_auth), lambda n: (("challenge", "c"), ("relay", "wss://" + "a." * n))),
    "payload: text": Bait(_decrypted, lambda n: sealing.encrypted("x" * n, sealing.OF_SEAL)),
    "payload: tails": Bait(_decrypted, lambda n: "A" * 132 + "=" * n),
    "payload: no base64": Bait(_decrypted, lambda n: "é" * n),
    "payload: wrong MAC": Bait(_decrypted, lambda n: "Ag" + "A" * (4 * n + 130)),
    "padding": Bait(nip44.unpad, lambda n: sealing.padded(b"x" * n)),
    "wrap: content": Bait(_opened, lambda n: _wrapped(sealing.a_rumor("x" * n)), base=4000),
    "wrap: tags": Bait(_opened, lambda n: _wrapped(sealing.a_rumor("", tags=[["t"]] * n)), base=600),
    "wrap: seal of brackets": Bait(_opened, lambda n: sealing.wrap_of_seal("[" * n), base=5000),
    "wrap: rumor of escapes": Bait(_opened, lambda n: sealing.wrap_of_rumor('{"a":"' + "\\u0041" * n), base=700),
    "request: params": Bait(_request, lambda n: _request_text({f"k{i}": i for i in range(n)}), base=5000),
    "request: text": Bait(_request, lambda n: _request_text({"a": '\x00"\\é😀' * n}), base=5000),
    "request: numbers": Bait(_request, lambda n: _request_text({"a": [0.1, 1e21, -5] * n}), base=2000),
    "request: fields": Bait(_request, lambda n: _request_text({}, **{f"f{i}": i for i in range(n)}), base=5000),
    "request: method": Bait(_request, lambda n: _request_text({}, method="m" * n, id="i" * n)),
    "response: result": Bait(
        lambda text: parse_response(text), lambda n: sealing.compact({"_v": "1.0.0", "server_time": 1, "id": "i" * n})
    ),
    "response: version": Bait(
        lambda text: parse_response(text), lambda n: sealing.compact({"_v": "1." + "0" * n + ".0", "server_time": 1})
    ),
    "results: lists": Bait(
        _results,
        lambda n: {
            "version": "1",
            "pubkey": HEX,
            "methods": ["m"] * n,
            "relays": ["r"] * n,
            "admission": "open",
            "pow_bits": 0,
            "limits": {str(i): {"burst": 1, "refill_seconds": 1.5} for i in range(n)},
        },
        base=5000,
    ),
    "schemas: unknown": Bait(_params, lambda n: {f"k{i}": i for i in range(n)}, base=3000),
    "schemas: list": Bait(_params, lambda n: {"limits": [{"a": 1}] * n, "devices": [{}] * n}, base=3000),
    "schemas: name": Bait(_params, lambda n: {"/~" * n: 1}),
    "schemas: text": Bait(_params, lambda n: {"_v": "1" * n, "id": "é" * n, "turn_username": "a" * n}),
    "settings: unknown keys": Bait(parse_settings, lambda n: "".join(f"k{i} = 1\n" for i in range(n)), base=200),
    "settings: tables": Bait(parse_settings, lambda n: "".join(f"[t{i}]\n" for i in range(n)), base=200),
    "settings: list": Bait(parse_settings, lambda n: "[turn.coturn]\nurls = [" + '"x",' * n + "]\n", base=500),
    "settings: text": Bait(parse_settings, lambda n: '[bridge]\nname = "' + "\\u0041" * n + '"\n', base=2000),
    "settings: comment": Bait(parse_settings, lambda n: "# é\n" * n, base=2000),
    "settings: brackets": Bait(parse_settings, lambda n: "a = " + "[" * n),
    "forwarded: hops": Bait(_forwarded, lambda n: "127.0.0.1," * n, base=2000),
    "forwarded: commas": Bait(_forwarded, lambda n: "," * n),
    "forwarded: brackets": Bait(_forwarded, lambda n: "[" * n + ":" * n),
    "url: labels": Bait(_url, lambda n: "wss://" + "a." * n),
    "url: dashes": Bait(_url, lambda n: "turn:" + "-" * n),
    "url: colons": Bait(_url, lambda n: "turn:[" + ":" * n + "]"),
    "url: host": Bait(_url, lambda n: "stun:" + "a" * n + ":3478?transport=udp?"),
    "url: numbers": Bait(_url, lambda n: "1." * n),
    "url: at signs": Bait(_url, lambda n: "wss://" + "@" * n),
    "url: key": Bait(_url, lambda n: "npub1" + "q" * n),
}
"""By parser and what grows."""
