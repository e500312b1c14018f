"""NIP-11: the relay's information document, and that what it says is so."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from nips.event import Event
from nips.strict_json import dump
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Client
from tests.relay.scene import Scene
from tests.relay.target import Page, document_of

rule = rules("nip11.document", "NIP-11")
limitation = rules("nip11.limitation", "NIP-11")
FORM = "relay information document"
FIELDS = "field descriptions"
LIMITS = "server limitations"
CORS = ("access-control-allow-origin", "access-control-allow-headers", "access-control-allow-methods")
MEDIA_TYPE = "application/nostr+json"
MOST_STORED = 1100
"""A larger `max_limit` is not gone past: it would leave as many events on somebody's relay."""
LARGEST_FRAME = 4_194_304


async def _page(scene: Scene) -> Page:
    try:
        return await scene.target.fetch(Accept=MEDIA_TYPE)
    except OSError as error:
        raise NotApplicable(f"the relay does not speak HTTP: {error}") from None


def _document(scene: Scene) -> dict[str, Any]:
    if scene.target.information is None:
        raise NotApplicable("the relay has no information document")
    return dict(scene.target.information)


def _limit(scene: Scene, name: str, *, at_least: int = 1) -> int:
    limit = scene.target.limit(name)
    if limit is None or limit < at_least:
        raise NotApplicable(f"the relay's document tells no {name}")
    return limit


@rule(Level.SHOULD, FORM)
async def document_is_served(scene: Scene) -> None:
    """A request with `Accept: application/nostr+json` on the websocket's URL brings a JSON object."""
    page = await _page(scene)
    expect(page.status == 200, f"the status is {page.status}")
    expect(document_of(page) is not None, f"no JSON object came, but {page.body[:80]!r}")


@rule(Level.SHOULD, FORM)
async def document_says_its_type(scene: Scene) -> None:
    """The document comes as application/nostr+json."""
    _document(scene)
    said = (await _page(scene)).headers.get("content-type", "")
    expect(said.partition(";")[0].strip() == MEDIA_TYPE, f"it comes as {said!r}")


@rule(Level.MUST, FORM)
async def any_origin_may_read_it(scene: Scene) -> None:
    """The three CORS headers are there."""
    _document(scene)
    page = await scene.target.fetch(Accept=MEDIA_TYPE, Origin="https://client.example.org")
    missing = [name for name in CORS if name not in page.headers]
    expect(not missing, f"missing: {', '.join(missing)}")


@rule(Level.SHOULD, FORM)
async def preflight_is_answered(scene: Scene) -> None:
    """A browser's OPTIONS request is answered with success and the same headers."""
    _document(scene)
    page = await scene.target.fetch(
        "OPTIONS",
        Origin="https://client.example.org",
        Access_Control_Request_Method="GET",
        Access_Control_Request_Headers="accept",
    )
    expect(200 <= page.status < 300, f"the status is {page.status}")
    missing = [name for name in CORS if name not in page.headers]
    expect(not missing, f"missing: {', '.join(missing)}")


@rule(Level.MUST, FIELDS)
async def fields_have_their_types(scene: Scene) -> None:
    """Texts are strings, `supported_nips` numbers, limits numbers and booleans; what is not set is absent."""
    document = _document(scene)
    texts = ("name", "description", "banner", "icon", "pubkey", "self", "contact", "software", "version")
    wrong = [name for name in texts if name in document and not isinstance(document[name], str)]
    nips = document.get("supported_nips", [])
    if not isinstance(nips, list) or not all(type(nip) is int or isinstance(nip, str) for nip in nips):
        wrong.append("supported_nips")
    limits = document.get("limitation", {})
    if not isinstance(limits, dict):
        wrong.append("limitation")
    else:
        flags = {"auth_required", "payment_required", "restricted_writes"}
        wrong += [name for name, value in limits.items() if type(value) is not (bool if name in flags else int)]
    expect(not wrong, f"of another type: {', '.join(wrong)}")


@rule(Level.MUST, FIELDS)
async def keys_are_public_keys(scene: Scene) -> None:
    """`pubkey` and `self` are 64 lower-case hex digits."""
    document = _document(scene)
    named = [document[name] for name in ("pubkey", "self") if document.get(name)]
    if not named:
        raise NotApplicable("the document names no key")
    for value in named:
        expect(bool(re.fullmatch("[0-9a-f]{64}", str(value))), f"{value!r} is no key")


@rule(Level.SHOULD, FIELDS)
async def name_is_short(scene: Scene) -> None:
    """`name` has less than 30 characters."""
    name = _document(scene).get("name")
    if not name:
        raise NotApplicable("the document has no name")
    expect(len(str(name)) < 30, f"it has {len(str(name))}")


@rule(Level.MUST, FIELDS)
async def software_is_an_address(scene: Scene) -> None:
    """`software`, where there is one, is a URL."""
    software = _document(scene).get("software")
    if not software:
        raise NotApplicable("the document names no software")
    parts = urlsplit(str(software))
    expect(bool(parts.scheme and (parts.netloc or parts.path)), f"it is {software!r}")


@rule(Level.SHOULD, FIELDS)
async def nips_that_show_are_named(scene: Scene) -> None:
    """`supported_nips` names NIP-01, NIP-11, and what the relay is seen to do."""
    _document(scene)
    shown = {1: True, 11: True, 45: scene.target.counts, 67: scene.target.hints}
    missing = [nip for nip, is_shown in shown.items() if is_shown and not scene.target.claims(nip)]
    expect(not missing, f"missing: {missing}")


@limitation(Level.SHOULD, LIMITS)
async def max_subscriptions_is_true(scene: Scene) -> None:
    """As many subscriptions as `max_subscriptions` can be open; one more is refused, or ends another, with CLOSED."""
    limit = _limit(scene, "max_subscriptions")
    if limit > 300:
        raise NotApplicable(f"max_subscriptions is {limit}; more than 300 are not tried")
    client = await scene.connect()
    for number in range(limit):
        await client.say("REQ", f"n{number}", scene.target.nothing)
    for number in range(limit):
        answer = await client.answer_to(f"n{number}")
        expect(answer.closed is None, f"subscription {number + 1} of {limit} was refused: {answer.closed!r}")
    await client.say("REQ", "beyond", scene.target.nothing)
    await client.hear(lambda said: said[0] == "CLOSED", f"CLOSED for subscription {limit + 1}")


@limitation(Level.SHOULD, LIMITS)
async def max_subid_length_is_true(scene: Scene) -> None:
    """A subscription id of `max_subid_length` characters is taken, a longer one is not."""
    limit = _limit(scene, "max_subid_length")
    if limit > 10_000:
        raise NotApplicable(f"max_subid_length is {limit}; more than 10 000 is not tried")
    client = await scene.connect()
    answer = await client.request(scene.target.nothing, name="x" * limit)
    expect(answer.closed is None, f"an id of {limit} characters was refused: {answer.closed!r}")
    await client.say("REQ", "x" * (limit + 1), scene.target.nothing)
    served = [said for said in await client.settle() if said[0] == "EOSE"]
    expect(served == [], f"an id of {limit + 1} characters was served")


@limitation(Level.SHOULD, LIMITS)
async def max_message_length_is_true(scene: Scene) -> None:
    """A frame of `max_message_length` bytes is read, a longer one is not."""
    limit = _limit(scene, "max_message_length", at_least=1024)
    if limit > LARGEST_FRAME:
        raise NotApplicable(f"max_message_length is {limit}; more than {LARGEST_FRAME} is not sent")
    event = scene.event(scene.stored_kind())
    publisher = await scene.connect()
    await publisher.must_take(event)
    client, beyond = await scene.connect(), await scene.connect()
    frame = dump(["REQ", "long", {"ids": [event.id]}])
    await client.say_text(frame[:-1] + " " * (limit - len(frame)) + "]")
    expect((await client.answer_to("long")).ids == [event.id], f"a frame of {limit} bytes was not answered")
    longer = frame[:-1] + " " * (limit + 1 - len(frame)) + "]"
    ending = await beyond.ending_of(longer, lambda said: said[0] in ("NOTICE", "CLOSED", "EOSE", "EVENT"))
    expect(ending is None or ending[0] in ("NOTICE", "CLOSED"), f"a frame of {limit + 1} bytes brought {ending!r}")


@limitation(Level.SHOULD, LIMITS)
async def max_event_tags_is_true(scene: Scene) -> None:
    """An event with `max_event_tags` tags is taken, one with more is not."""
    limit = _limit(scene, "max_event_tags")
    if limit > 5000:
        raise NotApplicable(f"max_event_tags is {limit}; more than 5 000 are not sent")
    kind = scene.stored_kind()
    client = await scene.connect()
    await _is_the_limit(
        client,
        f"max_event_tags {limit}",
        _with_tags(scene, kind, limit),
        _with_tags(scene, kind, limit + 1),
    )


def _with_tags(scene: Scene, kind: int, amount: int) -> Event:
    own = len(scene.event(kind).tags)
    return scene.event(kind, tags=[("t",)] * (amount - own))


async def _is_the_limit(client: Client, what: str, within: Event, beyond: Event) -> None:
    verdict = await client.publish(within)
    expect(verdict.accepted, f"what reaches {what} was refused: {verdict.message!r}")
    verdict = await client.publish(beyond)
    expect(not verdict.accepted, f"what goes past {what} was taken")
    expect(bool(verdict.prefix), f"what goes past {what} was refused without a prefix: {verdict.message!r}")


@limitation(Level.SHOULD, LIMITS)
async def max_content_length_is_true(scene: Scene) -> None:
    """Content of `max_content_length` characters is taken, longer content is not."""
    limit = _limit(scene, "max_content_length")
    if limit > LARGEST_FRAME:
        raise NotApplicable(f"max_content_length is {limit}; more than {LARGEST_FRAME} is not sent")
    kind = next((kind for kind in scene.stored_kinds() if kind), 1)
    client = await scene.connect()
    within, beyond = (scene.event(kind, content="x" * size) for size in (limit, limit + 1))
    await _is_the_limit(client, f"max_content_length {limit}", within, beyond)


@limitation(Level.SHOULD, LIMITS)
async def created_at_upper_limit_is_true(scene: Scene) -> None:
    """An event within `created_at_upper_limit` seconds from now is taken, one further ahead is not."""
    limit = _limit(scene, "created_at_upper_limit")
    kind = scene.stored_kind()
    client = await scene.connect()
    within, beyond = scene.event(kind, ago=-(limit - 30) if limit > 60 else 0), scene.event(kind, ago=-(limit + 60))
    await _is_the_limit(client, f"created_at_upper_limit {limit}", within, beyond)


@limitation(Level.SHOULD, LIMITS)
async def created_at_lower_limit_is_true(scene: Scene) -> None:
    """An event of up to `created_at_lower_limit` seconds ago is taken, an older one is not."""
    limit = _limit(scene, "created_at_lower_limit")
    kind = scene.stored_kind()
    if limit > scene.now - 3600:
        raise NotApplicable(f"created_at_lower_limit is {limit}, which is before 1970")
    client = await scene.connect()
    await _is_the_limit(
        client,
        f"created_at_lower_limit {limit}",
        scene.event(kind, ago=max(0, limit - 60)),
        scene.event(kind, ago=limit + 60),
    )


@limitation(Level.SHOULD, LIMITS)
async def max_limit_is_true(scene: Scene) -> None:
    """One filter brings up to `max_limit` stored events, and no more, whatever its `limit`."""
    limit = _limit(scene, "max_limit")
    answered = await _ask_past(scene, limit, "max_limit", {"limit": limit + 1})
    expect(answered == limit, f"{answered} events came")


@limitation(Level.SHOULD, LIMITS)
async def default_limit_is_true(scene: Scene) -> None:
    """A filter without `limit` brings `default_limit` stored events."""
    limit = _limit(scene, "default_limit")
    answered = await _ask_past(scene, limit, "default_limit", {})
    expect(answered == limit, f"{answered} events came")


async def _ask_past(scene: Scene, limit: int, name: str, more: dict[str, int]) -> int:
    """Store one event more than a limit and return how many come."""
    if limit > MOST_STORED:
        raise NotApplicable(f"{name} is {limit}; more than {MOST_STORED} events are not left on a relay")
    kind, word = scene.stored_kind(), scene.text()
    tags = [("t", word)]
    # A relay may slow a connection down that publishes so much at once.
    publishers = [await scene.connect() for _ in range(6)]

    async def publish(client: Client, amount: int) -> None:
        for _ in range(amount):
            await client.must_take(scene.event(kind, tags=tags))

    each = -(-(limit + 1) // len(publishers))
    await asyncio.gather(*(publish(client, each) for client in publishers))
    reader = await scene.connect()
    return len((await reader.request({"kinds": [kind], "#t": [word], **more})).ids)


@limitation(Level.SHOULD, LIMITS)
async def auth_required_is_true(scene: Scene) -> None:
    """With `auth_required` nothing is done before AUTH; without it, something is."""
    limits = _document(scene).get("limitation")
    said = limits.get("auth_required") if isinstance(limits, dict) else None
    if type(said) is not bool:
        raise NotApplicable("the relay's document tells no auth_required")
    client = await scene.connect_unproved()
    answer = await client.request({"kinds": [0, 1, 10002], "limit": 1})
    is_refused = (answer.closed or "").startswith("auth-required:")
    expect(is_refused is said, f"auth_required is {said}, and a REQ without AUTH ends with {answer.end!r}")
