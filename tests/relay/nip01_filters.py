"""NIP-01: what a filter finds among stored events."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nips.event import Event
from tests.relay.checks import Level, expect, rules
from tests.relay.connection import Answer, Client
from tests.relay.scene import Scene

rule = rules("nip01.filter", "NIP-01")
FROM_CLIENT = "from client to relay"


class _Shelf:
    """Some events of one kind that share a tag which nobody else uses, by an author each, a second apart, newest last.

    Authors are different because a relay may keep nothing but replaceable events.
    """

    def __init__(self, scene: Scene, kind: int, amount: int, tags: Sequence[Sequence[Sequence[str]]] = ()) -> None:
        self.kind = kind
        self.word = scene.text()
        self.first = scene.now - 100 - amount
        own = [*tags, *([()] * (amount - len(tags)))]
        self.events = [
            scene.event(kind, tags=[("t", self.word), *more], at=self.first + number) for number, more in enumerate(own)
        ]

    @property
    def newest_first(self) -> list[str]:
        return [event.id for event in reversed(self.events)]

    def wanted(self, **more: Any) -> dict[str, Any]:
        return {"#t": [self.word], **more}


async def _shelves(
    scene: Scene, amount: int, tags: Sequence[Sequence[Sequence[str]]] = ()
) -> tuple[Client, list[_Shelf]]:
    """Return a connection and a shelf of events for each kind worth trying, all of them stored."""
    client = await scene.connect()
    shelves = [_Shelf(scene, kind, amount, tags) for kind in scene.stored_kinds()]
    for shelf in shelves:
        await client.must_take(*shelf.events)
    return client, shelves


def _ids(events: Sequence[Event]) -> set[str]:
    return {event.id for event in events}


def _finds(answer: Answer, events: Sequence[Event], what: str) -> None:
    expect(answer.closed is None, f"{what}: the REQ was refused: {answer.closed!r}")
    found, wanted = set(answer.ids), _ids(events)
    expect(wanted <= found, f"{what}: {len(wanted - found)} of {len(wanted)} events are missing")
    expect(found <= wanted, f"{what}: {len(found - wanted)} events came that do not match")


@rule(Level.MUST, FROM_CLIENT)
async def ids_find_these_events(scene: Scene) -> None:
    """`ids` finds the events with one of these ids."""
    client, shelves = await _shelves(scene, 3)
    for shelf in shelves:
        _finds(await client.request({"ids": [shelf.events[1].id]}), shelf.events[1:2], "one id")
        _finds(await client.request({"ids": [shelf.events[i].id for i in (0, 2)]}), shelf.events[::2], "two ids")


@rule(Level.MUST, FROM_CLIENT)
async def authors_find_their_events(scene: Scene) -> None:
    """`authors` finds the events of these keys."""
    client, shelves = await _shelves(scene, 3)
    for shelf in shelves:
        _finds(await client.request({"authors": [shelf.events[1].pubkey]}), shelf.events[1:2], "one author")
        keys = [event.pubkey for event in shelf.events[:2]]
        _finds(await client.request({"authors": keys}), shelf.events[:2], "two authors")


@rule(Level.MUST, FROM_CLIENT)
async def kinds_find_events_of_these_kinds(scene: Scene) -> None:
    """`kinds` finds the events of these kinds, and no others."""
    kinds = scene.stored_kinds(2)[:2]
    author = scene.key()
    events = [scene.event(kind, author) for kind in kinds]
    client = await scene.connect()
    await client.must_take(*events)
    own = {"authors": [author.public_key]}
    _finds(await client.request({**own, "kinds": kinds[:1]}), events[:1], "one kind")
    _finds(await client.request({**own, "kinds": kinds}), events, "two kinds")
    _finds(await client.request({**own, "kinds": [kinds[1], 65_535]}), events[1:], "one kind and an unused one")


@rule(Level.MUST, "tags")
async def single_letter_tags_find_events(scene: Scene) -> None:
    """Every single letter, small or capital, is a condition on the tags of that name."""
    letters = "abdglrxABZ"
    word = scene.text()
    client, shelves = await _shelves(scene, 2, [[(letter, word + letter) for letter in letters]])
    for letter in letters:
        answer = await client.request({f"#{letter}": [word + letter]})
        _finds(answer, [shelf.events[0] for shelf in shelves], f"#{letter}")


@rule(Level.MUST, "tags")
async def e_and_p_tags_find_events(scene: Scene) -> None:
    """`#e` and `#p` find the events that name an event or a key."""
    event, key = scene.text() * 2, scene.key().public_key
    client, shelves = await _shelves(scene, 2, [[("e", event, "wss://relay.example.org"), ("p", key)]])
    for shelf in shelves:
        _finds(await client.request(shelf.wanted(**{"#e": [event]})), shelf.events[:1], "#e")
        _finds(await client.request(shelf.wanted(**{"#p": [key]})), shelf.events[:1], "#p")
        _finds(await client.request(shelf.wanted(**{"#p": [key, "0" * 64]})), shelf.events[:1], "#p and another")


@rule(Level.MUST, "tags")
async def tag_names_keep_their_case(scene: Scene) -> None:
    """`#x` and `#X` are two conditions."""
    word = scene.text()
    client, shelves = await _shelves(scene, 2, [[("x", word)], [("X", word)]])
    for shelf in shelves:
        _finds(await client.request(shelf.wanted(**{"#x": [word]})), shelf.events[:1], "#x")
        _finds(await client.request(shelf.wanted(**{"#X": [word]})), shelf.events[1:], "#X")


@rule(Level.MUST, "tags")
async def tag_values_are_compared_exactly(scene: Scene) -> None:
    """A tag's value is found whole: in its case, with its spaces, by no part of it and by no pattern."""
    word = scene.text()
    values = [f"{word} Value", f"{word} value", f"{word} value ", f"{word}_value", word, f"{word}%"]
    client, shelves = await _shelves(scene, len(values), [[("x", value)] for value in values])
    for shelf in shelves:
        for number, value in enumerate(values):
            answer = await client.request(shelf.wanted(**{"#x": [value]}))
            _finds(answer, [shelf.events[number]], f"#x {value!r}")


@rule(Level.MUST, FROM_CLIENT)
async def values_of_one_condition_are_ored(scene: Scene) -> None:
    """One value that matches is enough for a condition."""
    word = scene.text()
    client, shelves = await _shelves(scene, 3, [[("x", word + "1")], [("x", word + "2")], [("x", word + "3")]])
    for shelf in shelves:
        answer = await client.request(shelf.wanted(**{"#x": [word + "1", word + "3", word + "4"]}))
        _finds(answer, shelf.events[::2], "#x of two values and an unused one")


@rule(Level.MUST, FROM_CLIENT)
async def conditions_are_anded(scene: Scene) -> None:
    """Every condition of a filter must hold: two tags, author, kind, id and time."""
    word = scene.text()
    client, shelves = await _shelves(scene, 3, [[("x", word), ("r", word)], [("x", word)], [("r", word)]])
    for shelf in shelves:
        both, only_x, _ = shelf.events
        _finds(await client.request({"#x": [word], "#r": [word], "kinds": [shelf.kind]}), [both], "#x and #r")
        _finds(await client.request({"#x": [word], "authors": [only_x.pubkey]}), [only_x], "#x and author")
        _finds(await client.request({"ids": [only_x.id], "#r": [word]}), [], "id and #r")
        _finds(await client.request({"ids": [both.id], "authors": [only_x.pubkey]}), [], "id and another's author")
        _finds(await client.request({"ids": [both.id], "kinds": [65_535]}), [], "id and another kind")
        _finds(await client.request({"ids": [both.id], "since": both.created_at + 1}), [], "id and a later time")


@rule(Level.MUST, FROM_CLIENT)
async def any_of_an_events_tags_is_enough(scene: Scene) -> None:
    """An event with several tags of a name is found by each."""
    word = scene.text()
    client, shelves = await _shelves(scene, 1, [[("x", word + "1"), ("x", word + "2")]])
    for shelf in shelves:
        for number in ("1", "2"):
            answer = await client.request(shelf.wanted(**{"#x": [word + number]}))
            _finds(answer, shelf.events, f"the value {number}")


@rule(Level.SHOULD, "tags")
async def only_the_first_value_of_a_tag_counts(scene: Scene) -> None:
    """What stands in a tag after its value is not looked at."""
    word = scene.text()
    client, shelves = await _shelves(scene, 1, [[("x", "first", word)]])
    for shelf in shelves:
        _finds(await client.request(shelf.wanted(**{"#x": [word]})), [], "a second value")


@rule(Level.MUST, FROM_CLIENT)
async def since_and_until_are_inclusive(scene: Scene) -> None:
    """An event is in the window when since <= created_at <= until."""
    client, shelves = await _shelves(scene, 5)
    for shelf in shelves:
        first, events = shelf.first, shelf.events
        _finds(await client.request(shelf.wanted(since=first + 2)), events[2:], "since")
        _finds(await client.request(shelf.wanted(until=first + 2)), events[:3], "until")
        _finds(await client.request(shelf.wanted(since=first + 1, until=first + 3)), events[1:4], "both")
        _finds(await client.request(shelf.wanted(since=first + 2, until=first + 2)), events[2:3], "one second")
        _finds(await client.request(shelf.wanted(since=first + 3, until=first + 2)), [], "an empty window")


@rule(Level.MUST, FROM_CLIENT)
async def widest_window_finds_everything(scene: Scene) -> None:
    """`since` 0 and an `until` far ahead exclude nothing."""
    client, shelves = await _shelves(scene, 2)
    for shelf in shelves:
        _finds(await client.request(shelf.wanted(since=0, until=2**32)), shelf.events, "0 to 2^32")
        _finds(await client.request(shelf.wanted(since=0, until=2**53 - 1)), shelf.events, "0 to 2^53 - 1")


@rule(Level.MUST, FROM_CLIENT)
async def limit_returns_newest_events(scene: Scene) -> None:
    """`limit` n brings the last n events by `created_at`."""
    client, shelves = await _shelves(scene, 5)
    for shelf in shelves:
        for limit in (1, 3):
            answer = await client.request(shelf.wanted(limit=limit))
            _finds(answer, shelf.events[-limit:], f"limit {limit}")


@rule(Level.MUST, FROM_CLIENT)
async def limit_above_what_is_there_returns_all(scene: Scene) -> None:
    """A `limit` larger than what there is changes nothing."""
    client, shelves = await _shelves(scene, 3)
    for shelf in shelves:
        _finds(await client.request(shelf.wanted(limit=3)), shelf.events, "limit 3 of 3")
        _finds(await client.request(shelf.wanted(limit=400)), shelf.events, "limit 400 of 3")


@rule(Level.SHOULD, FROM_CLIENT)
async def stored_events_come_newest_first(scene: Scene) -> None:
    """Stored events come in the order of their time, the newest first."""
    client, shelves = await _shelves(scene, 6)
    for shelf in shelves:
        for wanted in (shelf.wanted(), shelf.wanted(limit=4), {"ids": [event.id for event in shelf.events]}):
            answer = await client.request(wanted)
            expect(answer.ids == shelf.newest_first[: len(answer.ids)], f"{wanted}: they came in another order")


@rule(Level.SHOULD, FROM_CLIENT)
async def equal_times_come_lowest_id_first(scene: Scene) -> None:
    """Of stored events of one second the lowest id comes first, also where `limit` cuts."""
    word, at = scene.text(), scene.now - 50
    client = await scene.connect()
    for kind in scene.stored_kinds():
        events = [scene.event(kind, tags=[("t", word)], at=at) for _ in range(5)]
        await client.must_take(*events)
        expected = sorted(event.id for event in events)
        wanted = {"#t": [word], "kinds": [kind]}
        answer = await client.request(wanted)
        expect(answer.ids == expected, "they came in another order")
        answer = await client.request({**wanted, "limit": 2})
        expect(answer.ids == expected[:2], "`limit` 2 brought others than the lowest ids")


@rule(Level.MUST, FROM_CLIENT)
async def filters_are_ored(scene: Scene) -> None:
    """A REQ with several filters brings the events that any of them matches."""
    client, shelves = await _shelves(scene, 3)
    for shelf in shelves:
        one, two, _ = shelf.events
        answer = await client.request({"ids": [one.id]}, {"authors": [two.pubkey]}, {"ids": ["0" * 64]})
        _finds(answer, [one, two], "three filters")


@rule(Level.SHOULD, FROM_CLIENT)
async def event_that_two_filters_match_comes_once(scene: Scene) -> None:
    """A stored event that several filters of a REQ match comes once."""
    client, shelves = await _shelves(scene, 3)
    for shelf in shelves:
        answer = await client.request({"ids": [shelf.events[0].id]}, shelf.wanted(), shelf.wanted(limit=2))
        _finds(answer, shelf.events, "filters that overlap")
        expect(len(answer.ids) == len(set(answer.ids)), f"{len(answer.ids)} events came where there are 3")


@rule(Level.SHOULD, FROM_CLIENT)
async def every_filter_has_its_own_limit(scene: Scene) -> None:
    """A `limit` belongs to its filter, not to the REQ."""
    client, shelves = await _shelves(scene, 4)
    for shelf in shelves:
        answer = await client.request(shelf.wanted(limit=1), shelf.wanted(until=shelf.first + 1, limit=1))
        _finds(answer, [shelf.events[3], shelf.events[1]], "two filters of limit 1")


@rule(Level.MUST, FROM_CLIENT)
async def filter_without_conditions_matches_all(scene: Scene) -> None:
    """A filter with no condition, or with a limit alone, matches every event."""
    client = await scene.connect()
    event = scene.event(scene.stored_kind(), at=scene.soon)
    await client.must_take(event)
    for wanted in ({"since": event.created_at, "until": event.created_at}, {"limit": 100}, {}):
        expect(event.id in (await client.request(wanted)).ids, f"{wanted}: an event of this second did not come")


@rule(Level.MUST, FROM_CLIENT)
async def part_of_an_id_finds_nothing(scene: Scene) -> None:
    """`ids`, `authors`, `#e` and `#p` hold whole 64-digit values: the beginning of one is refused or finds nothing."""
    word = scene.text() * 2
    client, shelves = await _shelves(scene, 1, [[("e", word), ("p", word)]])
    for shelf in shelves:
        (event,) = shelf.events
        for name, value in (("ids", event.id), ("authors", event.pubkey), ("#e", word), ("#p", word)):
            answer = await client.request({name: [value[:16]]})
            expect(event.id not in answer.ids, f"{name} found an event by its first 16 digits")


@rule(Level.SHOULD, FROM_CLIENT)
async def upper_case_hex_finds_nothing(scene: Scene) -> None:
    """`ids` and `authors` hold lower-case hex: upper case is refused or finds nothing."""
    client, shelves = await _shelves(scene, 1)
    for shelf in shelves:
        (event,) = shelf.events
        for name, value in (("ids", event.id), ("authors", event.pubkey)):
            answer = await client.request({name: [value.upper()]})
            expect(event.id not in answer.ids, f"{name} found an event by upper-case digits")


@rule(Level.MUST, FROM_CLIENT)
async def condition_of_another_type_finds_nothing(scene: Scene) -> None:
    """A condition that is not of its type is refused with CLOSED, or finds nothing; it is not left out."""
    client, shelves = await _shelves(scene, 1)
    (event,) = shelves[0].events
    wrong: list[dict[str, Any]] = [
        {"ids": event.id},
        {"authors": [[event.pubkey]]},
        {"kinds": ["no"]},
        {"kinds": {"is": shelves[0].kind}},
        {"#x": "no"},
        {"#x": [5]},
        {"since": "now"},
        {"until": [0]},
    ]
    for wanted in wrong:
        answer = await client.request(shelves[0].wanted(**wanted))
        expect(answer.events == [], f"{wanted} found an event")


@rule(Level.SHOULD, FROM_CLIENT)
async def filter_that_is_no_object_is_refused(scene: Scene) -> None:
    """A filter is an object; a REQ with another, or with none, is closed."""
    client = await scene.connect()
    wrong: tuple[tuple[object, ...], ...] = ((5,), (None,), ([],), ("all",), ())
    for values in wrong:
        await client.say("REQ", "wrong", *values)
        heard = await client.settle()
        served = [said for said in heard if said[0] in ("EVENT", "EOSE") and said[1] == "wrong"]
        expect(served == [], f"a REQ with {list(values)} was served")
        closed = [said for said in heard if said[:2] == ["CLOSED", "wrong"]]
        expect(bool(closed), f"a REQ with {list(values)} was not answered with CLOSED")


@rule(Level.OWN, FROM_CLIENT)
async def empty_list_finds_nothing(scene: Scene) -> None:
    """A list of conditions has one or more values; an empty one is refused or finds nothing, it is not left out."""
    client, shelves = await _shelves(scene, 1)
    empty: list[dict[str, Any]] = [{"ids": []}, {"authors": []}, {"kinds": []}, {"#x": []}]
    for wanted in empty:
        answer = await client.request(shelves[0].wanted(**wanted))
        expect(answer.events == [], f"{wanted} found an event")


@rule(Level.OWN, "from relay to client")
async def unknown_condition_is_not_left_out(scene: Scene) -> None:
    """A condition that the relay does not know is refused, or finds nothing: it would bring what was not asked for."""
    client, shelves = await _shelves(scene, 1)
    for name in ("colour", "#long", "#"):
        answer = await client.request(shelves[0].wanted(**{name: ["blue"]}))
        expect(answer.events == [], f"a filter with {name!r} found an event")
