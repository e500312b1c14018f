"""The session as text in, actions out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bridge.relay.addresses import Origin
from bridge.relay.limits import AddressLimits, SessionLimits
from bridge.relay.rates import bytes_per_second, per_second
from bridge.relay.session import Action, Admit, Authenticated, Farewell, Moment, Open, Reply, Session, Shut, Tally
from bridge.relay.visibility import ReadProtection
from nips.event import Event, VerifiedEvent
from nips.messages import (
    Challenge,
    Closed,
    MessageLimits,
    Notice,
    Ok,
    Prefix,
    prefix_of,
    write_authenticate,
    write_close,
    write_count,
    write_publish,
    write_request,
)
from tests.bridge.relay.builders import (
    ALICE,
    BOB,
    BRIDGE,
    CHALLENGE,
    LIVE,
    NOW,
    RELAY_URL,
    STORED,
    a_filter,
    a_key,
    a_wrap,
    altered,
    an_auth,
    an_event,
    heard,
)
from tests.support.strategies import json_values

GENEROUS = SessionLimits(events=per_second(1, burst=10_000), queries=per_second(1, burst=10_000))
MOMENT = Moment(NOW, 0.0)


def a_session(
    limits: SessionLimits = GENEROUS,
    *,
    urls: Sequence[str] = (RELAY_URL,),
    open_reading: bool = False,
    origin: Origin | None = None,
) -> Session:
    protection = ReadProtection(BRIDGE.public_key, open_reading)
    return Session(challenge=CHALLENGE, relay_urls=urls, protection=protection, limits=limits, origin=origin)


def answered(session: Session, frame: str | bytes, moment: Moment = MOMENT) -> Any:
    """Return the one message that a frame is answered with at once."""
    (text,) = (action.text for action in session.receive(frame, moment) if isinstance(action, Reply))
    return heard(text)


def opened(session: Session, identity: str = "s", **wanted: Any) -> Open:
    """Open a subscription."""
    *_, action = session.receive(write_request(identity, [a_filter(**wanted)]), MOMENT)
    assert isinstance(action, Open)
    return action


def authenticated(session: Session, who: Any = ALICE) -> Authenticated:
    """Prove a key."""
    (action,) = session.receive(write_authenticate(an_auth(who)), MOMENT)
    assert isinstance(action, Authenticated)
    return action


def test_client_hears_the_challenge_first() -> None:
    assert heard(a_session().greet()) == Challenge(CHALLENGE)


# --- EVENT


def test_event_is_handed_to_admission() -> None:
    event = an_event()
    (action,) = a_session().receive(write_publish(event), MOMENT)
    assert action == Admit(Event(**event.to_dict()), 0)
    assert not isinstance(action.event, VerifiedEvent)


def test_event_beyond_the_rate_is_handed_on_with_its_wait() -> None:
    session = a_session(SessionLimits(events=per_second(0.5, burst=2)))
    frame = write_publish(an_event())
    waits = [
        action.wait_seconds for _ in range(3) for action in session.receive(frame, MOMENT) if isinstance(action, Admit)
    ]
    assert waits == [0, 0, 2]


# --- COUNT


def counted(session: Session, query: str = "q", **wanted: Any) -> Action:
    (action,) = session.receive(write_count(query, [a_filter(**wanted)]), MOMENT)
    return action


def test_count_is_handed_on_with_what_the_reader_may_see() -> None:
    session = a_session()
    authenticated(session)
    action = counted(session, kinds=[STORED, 0])
    assert isinstance(action, Tally)
    assert action.query == "q"
    assert [set(view.recipients) for view in action.views] == [{ALICE.public_key}]
    assert session.subscriptions == ()


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_count_of_wraps_of_others_is_refused_as_a_request_is(kind: int) -> None:
    session = a_session()
    refused = counted(session, kinds=[kind])
    assert isinstance(refused, Reply)
    assert heard(refused.text) == Closed(
        "q", "auth-required: gift wraps are for their recipients, prove your key first"
    )
    authenticated(session)
    refused = counted(session, kinds=[kind], p=[BOB.public_key])
    assert isinstance(refused, Reply)
    assert heard(refused.text) == Closed(
        "q", "restricted: gift wraps are for their recipients, and these are not yours"
    )
    assert isinstance(counted(session, kinds=[kind]), Tally)


def test_count_has_ids_of_its_own() -> None:
    session = a_session()
    opened(session, "s", kinds=[0])
    assert isinstance(counted(session, "s", kinds=[0]), Tally)
    for frame in (write_count("s", [a_filter(kinds=[STORED])]), '["COUNT","s",{"search":"x"}]'):
        (action,) = session.receive(frame, MOMENT)
        assert isinstance(action, Reply)
    assert [subscription.id for subscription in session.subscriptions] == ["s"]


def test_count_takes_from_the_rate_of_queries() -> None:
    session = a_session(SessionLimits(queries=per_second(1, burst=1)))
    assert isinstance(counted(session), Tally)
    refused = counted(session)
    assert isinstance(refused, Reply)
    assert heard(refused.text) == Closed("q", "rate-limited: slow down, wait 1 s")


def test_count_weighs_as_much_as_a_request_and_needs_no_subscription() -> None:
    session = a_session(SessionLimits(max_filter_values=5, max_subscriptions=1))
    opened(session, kinds=[0, 1, 2])
    assert isinstance(counted(session, kinds=[3, 4]), Tally)
    refused = counted(session, kinds=[3, 4, 5])
    assert isinstance(refused, Reply)
    assert heard(refused.text) == Closed("q", "rate-limited: no more than 5 values in all filters, ask for less")


# --- refusals, by verb

ID = "ab" * 32


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (json.dumps(["EVENT", {"id": ID}]), Ok(ID, False, "invalid: pubkey: not 64 lower-case hex digits")),
        (json.dumps(["AUTH", {"id": ID}]), Ok(ID, False, "invalid: pubkey: not 64 lower-case hex digits")),
        (json.dumps(["EVENT", {"id": "short"}]), Ok("short", False, "invalid: id: not 64 lower-case hex digits")),
        ('["REQ","s"]', Closed("s", "invalid: REQ needs at least one filter")),
        ('["REQ","s",{"search":"x"}]', Closed("s", "unsupported: unknown key in a filter")),
        ('["REQ","s",{"#ab":["x"]}]', Closed("s", "unsupported: unknown key in a filter")),
        ('["REQ","s",{"kinds":[1]},{"#\\u00e9":["x"]}]', Closed("s", "unsupported: unknown key in a filter")),
        ('["COUNT","s",{"search":"x"}]', Closed("s", "unsupported: unknown key in a filter")),
        ('["COUNT","s"]', Closed("s", "invalid: COUNT needs at least one filter")),
        ('["COUNT","",{}]', Notice("invalid: a subscription id is a string of 1 to 64 characters")),
        ('["REQ","s",{"kinds":["1"]}]', Closed("s", "invalid: kinds: not integers from 0 to 65535")),
        (json.dumps(["REQ", "s", *[{}] * 11]), Closed("s", "invalid: more than 10 filters")),
        (
            json.dumps(["REQ", "s", {f"#{letter}": ["x"] for letter in "tuvw"}]),
            Closed("s", "invalid: more than 3 tag conditions in a filter"),
        ),
        ('["REQ","",{}]', Notice("invalid: a subscription id is a string of 1 to 64 characters")),
        (json.dumps(["REQ", "s" * 65, {}]), Notice("invalid: a subscription id is a string of 1 to 64 characters")),
        ('["REQ"]', Notice("invalid: a subscription id is a string of 1 to 64 characters")),
        ('["EVENT"]', Notice("invalid: EVENT has exactly one event")),
        ('["EVENT",{}]', Notice("invalid: id: not 64 lower-case hex digits")),
        ('["AUTH",7]', Notice("invalid: an event is an object")),
        ('["CLOSE"]', Notice("invalid: CLOSE has exactly one subscription id")),
        ('["CLOSE",7]', Notice("invalid: a subscription id is a string of 1 to 64 characters")),
        ('["NEG-OPEN","n",{},""]', Notice("unsupported: unknown verb")),
        ("", Notice("invalid: not valid JSON")),
        ("{}", Notice("invalid: a message is an array that begins with its verb")),
        ("[]", Notice("invalid: a message is an array that begins with its verb")),
        ("[" * 100, Notice("invalid: nested deeper than 32")),
        ('["CLOSE",' + '"x"' + " " * 131_072 + "]", Notice("invalid: text is larger than 131072 bytes")),
        (b'["CLOSE","s"]', Notice("invalid: messages are text frames")),
    ],
    ids=lambda value: str(value)[:40],
)
def test_broken_frame_is_refused_in_the_form_of_its_verb(frame: str | bytes, answer: object) -> None:
    assert answered(a_session(), frame) == answer


def test_connection_lives_until_too_many_frames_made_no_sense() -> None:
    session = a_session(SessionLimits(max_bad_frames=3))
    for _ in range(2):
        answered(session, "nonsense")
        assert session.farewell is None
    assert isinstance(answered(session, "nonsense"), Notice)
    assert session.farewell is not None
    assert session.farewell.code == 1008


def test_refused_frames_that_name_what_they_are_about_do_not_end_the_connection() -> None:
    session = a_session(SessionLimits(max_bad_frames=1, queries=per_second(1, burst=100)))
    for _ in range(50):
        answered(session, '["REQ","s",{"search":"x"}]')
    assert session.farewell is None


@pytest.mark.parametrize("frame", ['["REQ","s",{"search":"x"}]', json.dumps(["EVENT", {"id": ID}])])
def test_beyond_the_rate_they_do(frame: str) -> None:
    few = per_second(1, burst=2)
    session = a_session(SessionLimits(max_bad_frames=1, queries=few, events=few))
    for _ in range(4):
        answered(session, frame)
    assert session.farewell is not None


# --- REQ and CLOSE


def test_request_opens_a_subscription() -> None:
    session = a_session()
    action = opened(session, "mine", kinds=[0])
    assert action.subscription.id == "mine"
    assert session.subscriptions == (action.subscription,)


def test_request_of_the_same_id_replaces() -> None:
    session = a_session()
    first = opened(session).subscription
    actions = session.receive(write_request("s", [a_filter(kinds=[0])]), MOMENT)
    assert actions[0] == Shut(first)
    assert isinstance(actions[1], Open)
    assert session.subscriptions == (actions[1].subscription,)


def test_close_shuts_the_subscription_and_no_other() -> None:
    session = a_session()
    kept, shut = opened(session, "kept").subscription, opened(session, "shut").subscription
    assert session.receive(write_close("shut"), MOMENT) == [Shut(shut)]
    assert session.receive(write_close("shut"), MOMENT) == []
    assert session.subscriptions == (kept,)


def test_no_more_subscriptions_than_allowed() -> None:
    session = a_session(SessionLimits(max_subscriptions=2))
    opened(session, "1")
    opened(session, "2")
    refusal = answered(session, write_request("3", [a_filter()]))
    assert isinstance(refusal, Closed)
    assert prefix_of(refusal.message) is Prefix.RATE_LIMITED
    assert len(session.subscriptions) == 2
    assert opened(session, "2").subscription in session.subscriptions
    session.receive(write_close("1"), MOMENT)
    opened(session, "3")


def test_no_more_values_in_all_filters_than_allowed() -> None:
    session = a_session(SessionLimits(max_filter_values=10))
    opened(session, "1", kinds=[0, 3], t=["a", "b", "c" * 65])
    opened(session, "2", kinds=[0, 3, 10002, 10050])
    refusal = answered(session, write_request("3", [a_filter(kinds=[0])]))
    assert refusal == Closed("3", "rate-limited: no more than 10 values in all filters, ask for less")
    opened(session, "3")
    opened(session, "2", kinds=[0], t=["a", "b", "c"])
    session.receive(write_close("1"), MOMENT)
    opened(session, "3", ids=[f"{number:064x}" for number in range(6)])
    assert isinstance(answered(session, write_request("3", [a_filter(kinds=[0])] * 7)), Closed)
    assert [subscription.id for subscription in session.subscriptions] == ["2"]


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_request_for_wraps_needs_auth(kind: int) -> None:
    session = a_session()
    refusal = answered(session, write_request("s", [a_filter(kinds=[kind])]))
    assert isinstance(refusal, Closed)
    assert prefix_of(refusal.message) is Prefix.AUTH_REQUIRED
    assert session.subscriptions == ()


@pytest.mark.parametrize("kind", [STORED, LIVE])
def test_request_for_wraps_of_another_key_is_restricted(kind: int) -> None:
    session = a_session()
    authenticated(session)
    refusal = answered(session, write_request("s", [a_filter(kinds=[kind], p=[BOB.public_key])]))
    assert isinstance(refusal, Closed)
    assert prefix_of(refusal.message) is Prefix.RESTRICTED


def test_request_that_names_the_recipient_is_served_where_reading_is_open() -> None:
    session = a_session(open_reading=True)
    subscription = opened(session, kinds=[STORED], p=[ALICE.public_key]).subscription
    assert subscription.shows(a_wrap(ALICE))
    assert not subscription.shows(a_wrap(BOB))


@pytest.mark.parametrize(
    "frame", ['["REQ","s",{"search":"x"}]', write_request("s", [a_filter(kinds=[STORED])])], ids=["broken", "refused"]
)
def test_refused_request_ends_what_had_its_id(frame: str) -> None:
    session = a_session()
    old = opened(session).subscription
    actions = session.receive(frame, MOMENT)
    assert actions[0] == Shut(old)
    assert session.subscriptions == ()


def test_requests_beyond_the_rate_are_closed() -> None:
    session = a_session(SessionLimits(queries=per_second(1, burst=1)))
    opened(session)
    refusal = answered(session, write_request("t", [a_filter()]))
    assert refusal == Closed("t", "rate-limited: slow down, wait 1 s")
    assert session.receive(write_request("t", [a_filter()]), Moment(NOW + 1, 1.0)) != []
    assert [subscription.id for subscription in session.subscriptions] == ["s", "t"]


def waiting_time(session: Session, frame: str, *, after: float = 0.0) -> float:
    """Return how long a connection is told to wait for what it publishes."""
    (action,) = session.receive(frame, Moment(NOW, after))
    assert isinstance(action, Admit)
    return action.wait_seconds


def test_connections_of_one_address_share_its_rates() -> None:
    origin = Origin("192.0.2.1", AddressLimits(events=per_second(1, burst=3), queries=per_second(1, burst=3)))
    sessions = [a_session(origin=origin) for _ in range(5)]
    published = [session.receive(write_publish(an_event()), MOMENT)[0] for session in sessions]
    assert [action.wait_seconds for action in published if isinstance(action, Admit)] == [0, 0, 0, 1, 1]
    asked = [session.receive(write_request("s", [a_filter()]), MOMENT)[0] for session in sessions]
    assert [isinstance(action, Open) for action in asked] == [True, True, True, False, False]


def test_events_have_a_rate_of_bytes_besides() -> None:
    frame = write_publish(an_event(content="x" * 10_000))
    session = a_session(
        SessionLimits(events=per_second(0.001, burst=5), event_bytes=bytes_per_second(1024, burst=25_000))
    )
    assert [waiting_time(session, frame) for _ in range(4)] == [0, 0, 8, 8]
    # What was too much in bytes took no permit of the other rate.
    assert [waiting_time(session, frame, after=8 * times) for times in range(1, 6)] == [0, 3, 0, 0, 960]


def test_bytes_of_an_event_are_those_of_its_frame_and_not_its_characters() -> None:
    frame = write_publish(an_event(content="ü" * 10_000))
    session = a_session(SessionLimits(event_bytes=bytes_per_second(1024, burst=25_000)))
    assert [waiting_time(session, frame) == 0 for _ in range(2)] == [True, False]


def test_connections_of_one_address_share_its_rate_of_bytes() -> None:
    frame = write_publish(an_event(content="x" * 10_000))
    origin = Origin("192.0.2.1", AddressLimits(event_bytes=bytes_per_second(1024, burst=25_000)))
    assert [waiting_time(a_session(origin=origin), frame) == 0 for _ in range(3)] == [True, True, False]


def test_close_beyond_the_rate_is_carried_out_and_told() -> None:
    session = a_session(SessionLimits(queries=per_second(1, burst=1)))
    subscription = opened(session).subscription
    actions = session.receive(write_close("s"), MOMENT)
    assert actions[0] == Shut(subscription)
    assert isinstance(actions[1], Reply)
    assert heard(actions[1].text) == Notice("rate-limited: slow down, wait 1 s")


# --- AUTH


def test_key_is_proved_and_told_so() -> None:
    session = a_session()
    auth = an_auth(ALICE)
    (action,) = session.receive(write_authenticate(auth), MOMENT)
    assert isinstance(action, Authenticated)
    assert heard(action.text) == Ok(auth.id, True, "")
    assert action.key == ALICE.public_key
    assert session.keys == {ALICE.public_key}


def test_several_keys_are_proved_on_one_connection() -> None:
    session = a_session()
    authenticated(session, ALICE)
    authenticated(session, BOB)
    authenticated(session, ALICE)
    assert session.keys == {ALICE.public_key, BOB.public_key}
    subscription = opened(session, kinds=[STORED]).subscription
    assert subscription.shows(a_wrap(ALICE))
    assert subscription.shows(a_wrap(BOB))
    assert not subscription.shows(a_wrap(a_key("carol")))


def test_no_more_keys_than_allowed() -> None:
    session = a_session(SessionLimits(max_keys=2))
    authenticated(session, ALICE)
    authenticated(session, BOB)
    refusal = answered(session, write_authenticate(an_auth(a_key("carol"))))
    assert isinstance(refusal, Ok)
    assert not refusal.accepted
    assert prefix_of(refusal.message) is Prefix.BLOCKED
    authenticated(session, BOB)
    assert len(session.keys) == 2


def test_open_subscriptions_see_more_after_auth() -> None:
    session = a_session()
    subscription = opened(session).subscription
    assert not subscription.shows(a_wrap(ALICE))
    authenticated(session)
    assert subscription.shows(a_wrap(ALICE))


@pytest.mark.parametrize(
    ("auth", "reason"),
    [
        (an_auth(ALICE, challenge="another"), "challenge"),
        (an_auth(ALICE, challenge=""), "challenge"),
        (an_auth(ALICE, relay_url="wss://evil.example"), "relay"),
        (an_auth(ALICE, relay_url="ws://127.0.0.1:7448"), "relay"),
        (an_auth(ALICE, relay_url="nonsense"), "relay"),
        (an_auth(ALICE, created_at=NOW - 601), "created_at"),
        (an_auth(ALICE, created_at=NOW + 601), "created_at"),
        (an_event(ALICE, kind=1, tags=an_auth(ALICE).tags), "kind"),
        (altered(an_auth(ALICE), pubkey=BOB.public_key), "id"),
        (altered(an_auth(ALICE), sig=an_event().sig), "sig"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_auth_that_proves_nothing_is_refused_by_ok(auth: VerifiedEvent, reason: str) -> None:
    session = a_session()
    refusal = answered(session, write_authenticate(auth))
    assert isinstance(refusal, Ok)
    assert (refusal.event_id, refusal.accepted) == (auth.id, False)
    assert refusal.message.startswith(f"invalid: {reason}")
    assert session.keys == set()


def test_auth_within_the_window_is_taken() -> None:
    for created_at in (NOW - 600, NOW + 600):
        session = a_session()
        session.receive(write_authenticate(an_auth(ALICE, created_at=created_at)), MOMENT)
        assert session.keys == {ALICE.public_key}


@pytest.mark.parametrize("url", ["ws://127.0.0.1:7447", "ws://localhost:7447/", "ws://LOCALHOST:7447"])
def test_every_address_of_the_relay_may_be_named(url: str) -> None:
    session = a_session(urls=[RELAY_URL, "ws://localhost:7447"])
    session.receive(write_authenticate(an_auth(ALICE, relay_url=url)), MOMENT)
    assert session.keys == {ALICE.public_key}


def test_auth_beyond_the_rate_is_refused_before_it_costs_a_verification() -> None:
    session = a_session(SessionLimits(queries=per_second(1, burst=1)))
    authenticated(session)
    refusal = answered(session, write_authenticate(altered(an_auth(BOB), sig=an_event().sig)))
    assert isinstance(refusal, Ok)
    assert prefix_of(refusal.message) is Prefix.RATE_LIMITED


BAD_AUTHS = {
    "forged": write_authenticate(altered(an_auth(BOB), sig=an_event().sig)),
    "for another challenge": write_authenticate(an_auth(BOB, challenge="another")),
    "for another relay": write_authenticate(an_auth(BOB, relay_url="ws://elsewhere.example")),
    "malformed": f'["AUTH",{{"id":"{ID}"}}]',
}


@pytest.mark.parametrize("what", BAD_AUTHS)
def test_who_fails_to_authenticate_again_and_again_is_sent_away(what: str) -> None:
    session = a_session(replace(GENEROUS, max_failed_auths=3))
    farewells = []
    for _ in range(3):
        refusal = answered(session, BAD_AUTHS[what])
        assert isinstance(refusal, Ok)
        assert not refusal.accepted
        farewells.append(session.farewell)
    assert farewells == [None, None, Farewell(1008, "too many failed attempts to authenticate")]


def test_key_too_many_counts_as_a_failed_attempt() -> None:
    session = a_session(replace(GENEROUS, max_failed_auths=2, max_keys=1))
    authenticated(session)
    for _ in range(2):
        session.receive(write_authenticate(an_auth(BOB)), MOMENT)
    assert session.farewell is not None


def test_attempts_that_prove_something_or_are_only_too_fast_do_not_count() -> None:
    session = a_session(SessionLimits(queries=per_second(1, burst=3), max_failed_auths=1))
    for _ in range(20):
        session.receive(write_authenticate(an_auth(ALICE)), MOMENT)
    assert session.farewell is None


def test_forgotten_subscription_leaves_its_place() -> None:
    session = a_session(SessionLimits(max_subscriptions=1))
    session.forget(opened(session).subscription)
    opened(session)


# --- anything at all

_verbs = st.sampled_from(["EVENT", "REQ", "CLOSE", "AUTH", "COUNT", "event", ""])
_identities = st.sampled_from(["s", "t", "", "s" * 64, "s" * 65, '"', "é"])
_filters = st.sampled_from(
    [{}, {"kinds": [STORED]}, {"kinds": [LIVE], "#p": [ALICE.public_key]}, {"ids": []}, {"x": 1}]
)
_events = st.sampled_from([an_event(), a_wrap(), an_auth(ALICE), an_auth(BOB), altered(an_auth(BOB), sig="0" * 128)])
_frames = st.one_of(
    st.text(),
    st.binary(),
    json_values.map(json.dumps),
    st.builds(lambda verb, rest: json.dumps([verb, *rest]), _verbs, st.lists(json_values, max_size=4)),
    st.builds(
        lambda identity, filters: json.dumps(["REQ", identity, *filters]), _identities, st.lists(_filters, max_size=12)
    ),
    st.builds(lambda identity: json.dumps(["CLOSE", identity]), _identities),
    st.builds(lambda verb, event: json.dumps([verb, event.to_dict()]), _verbs, _events),
)


class AnySession(RuleBasedStateMachine):
    """Whatever comes, a session answers in relay messages and stays within its limits."""

    @initialize()
    def connect(self) -> None:
        self.limits = SessionLimits(max_subscriptions=2, max_keys=1, max_bad_frames=5, events=per_second(1, burst=5))
        self.session = a_session(self.limits)
        self.open: set[str] = set()
        self.monotonic = 0.0

    @rule(frame=_frames)
    def receive(self, frame: str | bytes) -> None:
        for action in self.session.receive(frame, Moment(NOW, self.monotonic)):
            self.carry_out(action)

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds: float) -> None:
        self.monotonic += seconds

    def carry_out(self, action: Action) -> None:
        match action:
            case Reply(text) | Authenticated(_, text):
                message = heard(text)
                assert isinstance(message, Ok | Closed | Notice)
                if isinstance(message, Closed):
                    assert message.subscription not in self.open
            case Open(subscription):
                assert subscription.id not in self.open
                self.open.add(subscription.id)
            case Shut(subscription):
                self.open.remove(subscription.id)

    @invariant()
    def limits_hold(self) -> None:
        assert {subscription.id for subscription in self.session.subscriptions} == self.open
        assert len(self.open) <= self.limits.max_subscriptions
        assert len(self.session.keys) <= self.limits.max_keys


TestAnySession = AnySession.TestCase


def test_limits_of_messages_come_from_the_session_limits() -> None:
    session = a_session(SessionLimits(message=MessageLimits(max_filters=1, max_subscription_id=2)))
    assert answered(session, '["REQ","s",{},{}]') == Closed("s", "invalid: more than 1 filters")
    assert isinstance(answered(session, '["REQ","sss",{}]'), Notice)


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ('["REQ","x",{"until":18446744073709551615}]', Closed("x", "invalid: integer out of range")),
        ('["COUNT", "x", {"since":9007199254740992}]', Closed("x", "invalid: integer out of range")),
        ('["REQ","x",{"kinds":[1],"kinds":[2]}]', Closed("x", "invalid: a key appears twice in one object")),
        (f'["EVENT",{{"id":"{"ab" * 32}","created_at":1e999}}]', Ok("ab" * 32, False, "invalid: number out of range")),
        (
            f'["EVENT",{{"content":"\\ud800","id":"{"ab" * 32}"}}]',
            Ok("ab" * 32, False, "invalid: lone surrogate in a string"),
        ),
    ],
)
def test_frame_refused_for_its_json_is_refused_for_what_it_is_about(frame: str, answer: object) -> None:
    assert answered(a_session(), frame) == answer


@pytest.mark.parametrize(
    "frame", ['["REQ","x\\"y",NaN]', '["REQ",NaN]', '["CLOSE","x",NaN]', '["EVENT",{"id":"ab",NaN}]', "NaN"]
)
def test_frame_that_does_not_show_what_it_is_about_gets_a_notice(frame: str) -> None:
    assert isinstance(answered(a_session(), frame), Notice)


def test_frames_refused_for_their_json_end_the_connection_when_they_are_too_many() -> None:
    session = a_session(SessionLimits(max_bad_frames=3))
    for _ in range(2):
        session.receive('["REQ","x",NaN]', MOMENT)
        assert session.farewell is None
    session.receive('["REQ","x",NaN]', MOMENT)
    assert session.farewell == Farewell(1008, "too many frames that make no sense")
