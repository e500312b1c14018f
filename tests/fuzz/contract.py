"""What reads requests, responses and settings, compared with itself; the parsers of NIPs are in `parsers`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from typing import Final

from bridge.envelope import (
    Content,
    Freshness,
    check_addressee,
    check_freshness,
    read_content,
    read_request,
    request_digest,
)
from bridge.errors import MalformedRequest
from bridge.relay.addresses import Addresses
from bridge.relay.limits import AddressLimits
from bridge.settings import forms
from bridge.settings.ice_url import parse_ice_url
from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.relay_url import relay_identity
from bridge.settings.rendering import render
from bridge.settings.values import MAX_SHOWN_LENGTH
from client.envelope import Response, parse_response
from client.errors import InvalidResponse
from client.results import parse_account, parse_bridge_info, parse_turn_credentials
from nips import nip19, nip42
from nips.nip59 import make_rumor
from nips.strict_json import dump, parse
from protocol.catalogue import load_catalogue
from protocol.validation import (
    MAX_POINTER_LENGTH,
    Invalid,
    usable_request_id,
    validate_envelope,
    validate_params,
    validate_response,
    validate_result,
)
from tests.fuzz.judging import Finding, check_words, equal
from tests.fuzz.mutation import MARKER
from tests.support.wraps import AUTHOR, BRIDGE, NOW, STRANGER

ROOM: Final = 131_072


def read_request_content(case: str) -> None:
    """Read a request's content as the bridge does, from the rumor to the params."""
    rumor = make_rumor(AUTHOR.public_key, created_at=NOW, kind=24390, tags=[], content=_unicode(case))
    check_addressee(rumor, BRIDGE.public_key)
    content = read_content(rumor, max_bytes=ROOM)
    _check_content(content)
    check_freshness(rumor, content, Freshness(max_age_seconds=300, max_future_seconds=60), NOW)
    try:
        request = read_request(content)
    except MalformedRequest as refusal:
        _check_pointer(refusal.field or "")
        raise
    equal((request.id, request.reply), (content.request_id, content.reply), "another address for the answer")
    again = parse(dump(dict(reversed(request.params.items()))), max_bytes=10 * ROOM)
    equal(request_digest(request.method, again), request.digest, "a digest that the order of keys changes")
    if request.method in load_catalogue().methods:
        validate_params(request.method, request.params)


def _check_content(content: Content) -> None:
    if content.request_id is not None:
        equal(usable_request_id({"id": content.request_id}), content.request_id, "an id that cannot be answered")


def read_response_content(case: str) -> None:
    """Read a response's content as a client does, and every result that may stand in it."""
    response = parse_response(case)
    if response.refusal is None:
        _read_results(response)


def _read_results(response: Response) -> None:
    result = response.result or {}
    for read in (parse_bridge_info, parse_account, parse_turn_credentials):
        try:
            read(result)
        except InvalidResponse as error:
            check_words(str(error))


def validate(case: str) -> None:
    """Check a value against every schema of the contract."""
    value = parse(case, max_bytes=ROOM)
    checks: list[Callable[[], None]] = [partial(validate_envelope, value), partial(validate_response, value)]
    for name in load_catalogue().methods:
        checks += [partial(validate_params, name, value), partial(validate_result, name, value)]
    for check in checks:
        try:
            check()
        except Invalid as invalid:
            _check_pointer(invalid.field)


def _check_pointer(field: str) -> None:
    if len(field) > MAX_POINTER_LENGTH or (field and not field.startswith("/")):
        raise Finding("not a pointer into the content, or a longer one than is told")


def read_settings(case: str) -> None:
    """Read a settings file; what is taken is the same once written and read again."""
    settings = parse_settings(_unicode(case))
    equal(repr(parse_settings(render(settings))), repr(settings), "other settings once written and read again")


def check_settings_error(error: Exception) -> None:
    """Look at a complaint to the operator, which shows values of the file in short, and secrets never."""
    if not isinstance(error, SettingsError):
        raise error
    if _SECRET in str(error):
        raise Finding("a complaint with a secret")
    for problem in error.problems:
        # The parser of TOML names keys of the file, and a fix names settings.
        check_words(problem.fix.replace(MARKER, "").replace("storage.", ""), longest=1000)
        if len(problem.value) > MAX_SHOWN_LENGTH + 20 or not problem.value.isprintable():
            raise Finding(f"a value of {len(problem.value)} characters, or with some that do not print, is shown")


_SECRET: Final = nip19.encode_nsec(STRANGER)


def read_forwarded(case: str) -> None:
    """Find out whom a trusted proxy speaks for, from the header that it sends."""
    addresses = Addresses(AddressLimits(trusted_proxies=("127.0.0.1", "2001:db8::/32")))
    for proxy in ("127.0.0.1", "2001:db8::1"):
        caller = addresses.caller(proxy, case.split("\n"))
        ip_address(caller.partition("%")[0])
        origin = addresses.enter(caller)
        addresses.leave(origin)
    equal(addresses.caller("192.0.2.1", [case]), "192.0.2.1", "the word of a stranger counts")


def read_urls(case: str) -> None:
    """Read an address in every form that settings, events and entities know."""
    for form in (forms.host, forms.relay_url, forms.optional_relay_url, forms.turn_url, forms.stun_url):
        if (wrong := form(case)) is not None:
            check_words(wrong)
    for form in (forms.optional_host, forms.account_key, forms.file):
        if (wrong := form(case)) is not None:
            check_words(wrong)
    address = nip42.relay_address(case)
    if address is not None and not (address[0] and 1 <= address[1] <= 65535):
        raise Finding("a relay without a host or a port")
    if forms.relay_url(case) is None:
        if address is None:
            raise Finding("a relay of the settings that no AUTH can name")
        relay_identity(case)
    try:
        url = parse_ice_url(case)
    except ValueError as error:
        if type(error) is not ValueError:
            raise
        check_words(str(error))
        return
    equal(parse_ice_url(str(url)), url, "another ICE server once written and read again")


def _unicode(case: str) -> str:
    # What reaches these readers was UTF-8 before.
    return case.encode("utf-8", "replace").decode()
