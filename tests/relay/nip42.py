"""NIP-42: proving keys to the relay."""

from __future__ import annotations

from nips.event import Event, VerifiedEvent, sign_event
from nips.keys import SecretKey
from nips.strict_json import dump
from tests.relay.checks import Level, NotApplicable, expect, rules
from tests.relay.connection import Answer, Client
from tests.relay.scene import Scene, changed
from tests.relay.work import Tags

rule = rules("nip42.auth", "NIP-42")
FLOW = "protocol flow"
VERIFY = "signed event verification"


async def _challenged(scene: Scene) -> Client:
    """Return a connection that has its challenge."""
    client = await scene.connect_unproved()
    await client.need_challenge()
    return client


async def _own_wraps(client: Client, key: SecretKey) -> Answer:
    return await client.request({"kinds": [1059], "#p": [key.public_key]})


async def _auth(scene: Scene, client: Client, key: SecretKey, tags: Tags, *, kind: int = 22242, ago: int = 0) -> Event:
    return sign_event(key, created_at=scene.now - ago, kind=kind, tags=tags, content="", aux=bytes(32))


async def _tags(scene: Scene, client: Client) -> list[tuple[str, str]]:
    return [("relay", scene.target.url), ("challenge", await client.need_challenge())]


@rule(Level.MUST, FLOW)
async def good_auth_is_ok_true(scene: Scene) -> None:
    """An AUTH with the relay's URL and challenge is answered with OK true."""
    client = await _challenged(scene)
    await client.authenticate(scene.key())


@rule(Level.MUST, FLOW)
async def challenge_is_there_when_it_is_needed(scene: Scene) -> None:
    """Who is refused with `auth-required:` has been sent a challenge by then."""
    client = await scene.connect_unproved()
    answer = await client.request({"kinds": [1059], "#p": [scene.key().public_key]})
    if not (answer.closed or "").startswith("auth-required:"):
        raise NotApplicable(f"a REQ for gift wraps is not refused with auth-required, but ends with {answer.end!r}")
    expect(client.challenge is not None, "no challenge came before CLOSED")


@rule(Level.OWN, FLOW)
async def challenge_is_another_on_every_connection(scene: Scene) -> None:
    """A challenge that another connection got, or anybody can guess, proves nothing."""
    challenges = {await (await _challenged(scene)).need_challenge() for _ in range(4)}
    expect(len(challenges) == 4, "two connections got the same challenge")
    expect(min(map(len, challenges)) >= 8, f"a challenge is short: {min(challenges, key=len)!r}")


async def _is_refused(scene: Scene, client: Client, event: Event, key: SecretKey, what: str) -> None:
    verdict = await client.say_auth(event)
    expect(not verdict.accepted, f"AUTH {what} was accepted")
    expect(bool(verdict.prefix), f"AUTH {what} was refused without a prefix: {verdict.message!r}")


@rule(Level.MUST, VERIFY)
async def another_challenge_is_refused(scene: Scene) -> None:
    """The challenge must be the one that was sent on this connection."""
    client, other = await _challenged(scene), await _challenged(scene)
    key = scene.key()
    foreign = await client.auth_event(key, challenge=await other.need_challenge())
    if await client.need_challenge() == await other.need_challenge():
        raise NotApplicable("every connection gets the same challenge")
    await _is_refused(scene, client, foreign, key, "with another connection's challenge")
    for challenge in ("", "guessed", (await client.need_challenge())[:-1]):
        event = await client.auth_event(key, challenge=challenge)
        await _is_refused(scene, client, event, key, f"with the challenge {challenge!r}")


@rule(Level.MUST, VERIFY)
async def missing_tag_is_refused(scene: Scene) -> None:
    """An AUTH event has a relay and a challenge."""
    client, key = await _challenged(scene), scene.key()
    relay, challenge = await _tags(scene, client)
    for what, tags in (("without challenge", [relay]), ("without relay", [challenge]), ("without tags", [])):
        await _is_refused(scene, client, await _auth(scene, client, key, tags), key, what)


@rule(Level.MUST, VERIFY)
async def another_relay_is_refused(scene: Scene) -> None:
    """The relay must be this one, else somebody else's relay could pass the AUTH on."""
    client, key = await _challenged(scene), scene.key()
    for url in ("wss://elsewhere.example.org", "wss://elsewhere.example.org/" + scene.target.url, ""):
        event = await client.auth_event(key, relay=url)
        await _is_refused(scene, client, event, key, f"for the relay {url!r}")


@rule(Level.SHOULD, VERIFY)
async def trailing_slash_is_the_same_relay(scene: Scene) -> None:
    """URLs are compared after normalising: a trailing slash or a capital in the host makes no other relay."""
    url = scene.target.url
    for form in (url.rstrip("/") + "/", url.replace("ws", "WS", 1)):
        client = await _challenged(scene)
        verdict = await client.say_auth(await client.auth_event(scene.key(), relay=form))
        expect(verdict.accepted, f"AUTH for {form!r} was refused: {verdict.message!r}")


@rule(Level.MUST, VERIFY)
async def another_kind_is_refused(scene: Scene) -> None:
    """The kind must be 22242."""
    client, key = await _challenged(scene), scene.key()
    for kind in (1, 22241, 27235):
        event = await _auth(scene, client, key, await _tags(scene, client), kind=kind)
        await _is_refused(scene, client, event, key, f"of kind {kind}")


@rule(Level.MUST, VERIFY)
async def another_time_is_refused(scene: Scene) -> None:
    """`created_at` must be close to now, some ten minutes."""
    client, key = await _challenged(scene), scene.key()
    for ago in (3600, -3600, 86_400 * 365):
        event = await _auth(scene, client, key, await _tags(scene, client), ago=ago)
        await _is_refused(scene, client, event, key, f"of {ago} seconds ago")


@rule(Level.MUST, VERIFY)
async def false_id_or_signature_is_refused(scene: Scene) -> None:
    """An AUTH event is an event: its id is its hash, its signature the author's."""
    client, key = await _challenged(scene), scene.key()
    good = await client.auth_event(key)
    other = scene.key()
    forged = (
        ("with a false signature", changed(good, sig="0" * 128)),
        ("signed by somebody else", changed(good, sig=other.sign(bytes.fromhex(good.id), bytes(32)).hex())),
        ("in somebody else's name", changed(good, pubkey=other.public_key)),
    )
    for what, fields in forged:
        await client.say_text(f'["AUTH",{dump(fields)}]')
        said = await client.hear(lambda said: said[0] == "OK" and said[1] == good.id, "OK")
        expect(said[2] is False, f"AUTH {what} was accepted")
    await client.authenticate(key)


@rule(Level.MUST, FLOW)
async def refused_auth_proves_nothing(scene: Scene) -> None:
    """After an AUTH that was refused, the connection sees no more than before."""
    scene.need_wraps()
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher, client = await scene.connect(), await _challenged(scene)
    await publisher.must_take(wrap)
    if (await _own_wraps(client, alice)).events:
        raise NotApplicable("the relay shows gift wraps to everybody")
    await client.say_auth(await client.auth_event(alice, relay="wss://elsewhere.example.org"))
    expect((await _own_wraps(client, alice)).events == [], "the wrap was shown")


@rule(Level.MUST, FLOW)
async def auth_is_for_its_connection(scene: Scene) -> None:
    """A key is proved on one connection; another of the same client has proved nothing."""
    scene.need_wraps()
    alice = scene.key()
    wrap = scene.wrap(alice)
    publisher, other = await scene.connect(), await _challenged(scene)
    await publisher.must_take(wrap)
    if (await _own_wraps(other, alice)).events:
        raise NotApplicable("the relay shows gift wraps to everybody")
    client = await scene.connect(alice)
    expect((await _own_wraps(client, alice)).ids == [wrap.id], "the recipient was not shown the wrap")
    expect((await _own_wraps(other, alice)).events == [], "another connection was shown the wrap")


@rule(Level.MUST, FLOW)
async def several_keys_hold_on_one_connection(scene: Scene) -> None:
    """Each AUTH adds a key: all that were proved on a connection count."""
    client = await _challenged(scene)
    keys = [scene.key() for _ in range(3)]
    for key in keys:
        await client.authenticate(key)
    if 1059 in scene.target.refused:
        return
    publisher = await scene.connect()
    wraps = [scene.wrap(key) for key in keys]
    await publisher.must_take(*wraps)
    for key, wrap in zip(keys, wraps, strict=True):
        answer = await _own_wraps(client, key)
        expect(answer.ids == [wrap.id], f"for one of three proved keys came {answer.end!r}")


@rule(Level.SHOULD, FLOW)
async def same_key_again_is_ok(scene: Scene) -> None:
    """A key may be proved again."""
    client, key = await _challenged(scene), scene.key()
    await client.authenticate(key)
    await client.authenticate(key)


@rule(Level.MUST, FLOW)
async def challenge_outlives_a_refusal(scene: Scene) -> None:
    """The latest challenge holds for the whole connection, also after an AUTH that was refused."""
    client, key = await _challenged(scene), scene.key()
    await client.say_auth(await client.auth_event(key, relay="wss://elsewhere.example.org"))
    await client.authenticate(key)


@rule(Level.MUST, "OK and CLOSED machine-readable prefixes")
async def prefix_tells_unproved_from_unentitled(scene: Scene) -> None:
    """Who proved no key is told `auth-required:`, who proved another is told `restricted:`."""
    scene.need_wraps()
    client = await scene.connect_unproved()
    stranger = scene.key()
    first = await _own_wraps(client, stranger)
    if first.closed is None:
        raise NotApplicable("a REQ for somebody's gift wraps is not refused")
    expect(first.closed.startswith("auth-required:"), f"before AUTH it says {first.closed!r}")
    await client.authenticate(scene.key())
    second = await _own_wraps(client, stranger)
    expect(second.events == [], "another's wraps were shown")
    expect(
        second.closed is None or second.closed.startswith("restricted:"),
        f"after AUTH with another key it says {second.closed!r}",
    )


@rule(Level.MUST, "canonical authentication event")
async def auth_event_is_never_delivered(scene: Scene) -> None:
    """Events of kind 22242 reach nobody, whether sent by AUTH or by EVENT."""
    listener, client = await scene.connect(), await _challenged(scene)
    key = scene.key()
    await listener.request({"authors": [key.public_key]}, name="auth")
    proof = await client.auth_event(key)
    await client.say_auth(proof)
    sneaked: VerifiedEvent = scene.event(22242, key, tags=await _tags(scene, client))
    await client.say_text(f'["EVENT",{sneaked.to_json()}]')
    await client.settle()
    marker = scene.event(scene.stored_kind(), key)
    await client.must_take(marker)
    expect(await listener.delivered("auth", marker.id) == [], "an AUTH event was delivered")
    answer = await listener.request({"ids": [proof.id, sneaked.id]})
    expect(answer.events == [], "an AUTH event was stored")


@rule(Level.SHOULD, FLOW)
async def malformed_auth_is_survived(scene: Scene) -> None:
    """An AUTH without an event does not end the conversation."""
    client = await _challenged(scene)
    for frame in ('["AUTH"]', '["AUTH",5]', '["AUTH",null]', '["AUTH",{}]', '["AUTH","a challenge"]'):
        await client.say_text(frame)
        await client.settle()
    await client.authenticate(scene.key())
