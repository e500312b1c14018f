"""Every provider over HTTP, against every way in which its server can misbehave."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import ProviderFailed
from bridge.http import HttpClient, HttpFailed, HttpFault, HttpReply, HttpRequest
from bridge.turn.replies import MAX_REPLY_BYTES, Answer, Terms, fetched
from tests.bridge.turn.providers import REMOTE, USER, a_provider, terms
from tests.support.raw_http import Answer as Script
from tests.support.raw_http import RawServer, raw_server, reply
from tests.support.turn_apis import SECRET, good_replies

each_provider = pytest.mark.parametrize("name", REMOTE)
SUCCESS = {"cloudflare": 201, "twilio": 201, "metered": 200, "xirsys": 200}


def scripted(*replies: bytes) -> Script:
    """Answer each request with the next reply, and further ones with the last."""
    left = list(replies)

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(left.pop(0) if len(left) > 1 else left[0])
        await writer.drain()

    return answer


async def failure(name: str, http: HttpClient, server: RawServer) -> ProviderFailed:
    """Ask a server that misbehaves; what is told about it holds nothing of what was sent or answered."""
    with pytest.raises(ProviderFailed) as failed:
        await a_provider(name, server.url, terms(http)).credentials(user=USER, now=1)
    assert "planted" not in f"{failed.value!r}"
    return failed.value


def with_body(name: str, body: bytes | str) -> bytes:
    return reply(body, status=f"{SUCCESS[name]} OK")


def bodies(name: str) -> dict[str, Any]:
    """Return the good body, as a value."""
    body: dict[str, Any] = json.loads(good_replies(name)[0].partition(b"\r\n\r\n")[2])
    return body


# --- what goes out


@each_provider
async def test_request_is_the_same_whoever_it_is_for(http: HttpClient, name: str) -> None:
    first = good_replies(name)
    async with raw_server(scripted(*first, *first)) as server:
        provider = a_provider(name, server.url, terms(http))
        await provider.credentials(user="a" * 32, now=1_800_000_000)
        await provider.credentials(user="b" * 32, now=1_900_000_000)
        sent = server.requests
    half = len(sent) // 2
    assert half == len(first)
    assert sent[:half] == sent[half:]
    assert b"a" * 32 not in b"".join(sent)


@each_provider
async def test_configured_addresses_are_told_instead_of_the_providers(http: HttpClient, name: str) -> None:
    async with raw_server(scripted(*good_replies(name))) as server:
        provider = a_provider(name, server.url, terms(http, urls=("turn:own.example",)))
        assert (await provider.credentials(user=USER, now=1)).urls == ("turn:own.example",)


@each_provider
def test_provider_shows_no_secret(name: str) -> None:
    assert SECRET not in repr(a_provider(name, "https://api.example.org", terms(HttpClient())))


# --- what may come back


@each_provider
@pytest.mark.parametrize("status", [200, 201, 202, 204, 206, 400, 401, 403, 404, 418, 429, 500, 502, 503, 599])
async def test_any_status_but_the_one_is_a_failure_that_is_named(http: HttpClient, name: str, status: int) -> None:
    body = good_replies(name)[0].partition(b"\r\n\r\n")[2]
    if status == SUCCESS[name]:
        return
    async with raw_server(reply(b"" if status == 204 else body, status=f"{status} X")) as server:
        failed = await failure(name, http, server)
    assert failed.http_status == status
    assert failed.may_pass is (status >= 500)


@each_provider
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_a_failure_and_the_secret_goes_nowhere(http: HttpClient, name: str, status: int) -> None:
    async with raw_server(scripted(*good_replies(name))) as elsewhere:
        there = reply("", status=f"{status} Elsewhere", headers=f"Location: {elsewhere.url}/\r\n")
        async with raw_server(there) as server:
            assert (await failure(name, http, server)).http_status == status
        assert elsewhere.requests == []


NOT_JSON = {
    "empty": b"",
    "html": b"<html>planted</html>",
    "cut": b'{"iceServers": [{"urls": ["turn:a',
    "not UTF-8": b'{"username": "\xff\xfe"}',
    "deep": b'{"iceServers":' * 40 + b"1" + b"}" * 40,
    "very deep": b"[" * 30_000,
    "doubled key": b'{"username": "a", "username": "b"}',
    "NaN": b'{"ttl": NaN}',
    "lone surrogate": b'{"username": "\\ud800"}',
    "two values": b"{} {}",
    "byte order mark": b"\xef\xbb\xbf{}",
}


@each_provider
@pytest.mark.parametrize("body", NOT_JSON.values(), ids=NOT_JSON)
async def test_body_that_is_not_json_in_its_one_form_is_a_failure(http: HttpClient, name: str, body: bytes) -> None:
    async with raw_server(with_body(name, body)) as server:
        failed = await failure(name, http, server)
    assert (failed.http_status, failed.may_pass) == (SUCCESS[name], False)


@each_provider
@pytest.mark.parametrize("value", [[], [{}], {}, None, 5, "planted", True, {"iceServers": None, "v": 5, "s": "ok"}])
async def test_json_of_another_shape_is_a_failure(http: HttpClient, name: str, value: object) -> None:
    async with raw_server(with_body(name, json.dumps(value))) as server:
        assert (await failure(name, http, server)).http_status == SUCCESS[name]


@each_provider
async def test_body_that_is_cut_is_a_fault_on_the_way(http: HttpClient, name: str) -> None:
    async with raw_server(good_replies(name)[0][:-3]) as server:
        failed = await failure(name, http, server)
    assert (failed.http_status, failed.may_pass) == (None, True)


@each_provider
async def test_nobody_listening_is_a_fault_on_the_way(http: HttpClient, name: str) -> None:
    async with raw_server(b"") as server:
        pass
    failed = await failure(name, http, server)
    assert (failed.http_status, failed.may_pass) == (None, True)


@each_provider
async def test_body_that_is_too_large_is_not_read(http: HttpClient, name: str) -> None:
    padded = json.dumps({**bodies(name), "padding": "x" * MAX_REPLY_BYTES})
    async with raw_server(with_body(name, padded)) as server:
        assert "too large" in str(await failure(name, http, server))


@each_provider
async def test_nothing_secret_is_logged_whatever_happens(
    http: HttpClient, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for status in ("200 OK", "201 Created", "401 No", "500 Down"):
        async with raw_server(reply(json.dumps({"error": SECRET, "v": SECRET}), status=status)) as server:
            await failure(name, http, server)
    async with raw_server(scripted(*good_replies(name))) as server:
        await a_provider(name, server.url, terms(http)).credentials(user=USER, now=1)
    assert "planted" not in caplog.text
    assert "word" not in caplog.text


# --- credentials and addresses


def answer_of(value: object) -> Answer:
    return Answer(HttpReply(200, json.dumps(value).encode()), status=200)


@pytest.mark.parametrize(
    "text", ["", "x" * 513, "é" * 257, "a\nb", "a\r\nb: c", "a\x00", "\x7f", "\u202e", None, 5, ["a"]]
)
def test_credential_that_is_odd_is_refused(text: object) -> None:
    answer = answer_of({})
    for server in ({"username": text, "credential": "word"}, {"username": "user", "credential": text}):
        with pytest.raises(
            ProviderFailed, match=r"its (user name|password) is (not text|empty, too long or has control)"
        ):
            answer.login([server])


@pytest.mark.parametrize("text", ["x", "x" * 512, "é" * 256, "1800000000:user+/=", 'qu"ote'])
def test_credential_that_is_printable_and_short_enough_passes(text: str) -> None:
    assert answer_of({}).login([{"username": text, "credential": text}]) == (text, text)


LOGIN = ("user", "word")
TURN: dict[str, Any] = {"username": "user", "credential": "word"}


@pytest.mark.parametrize(
    ("urls", "told"),
    [
        ("turn:a.example", ("turn:a.example",)),
        (
            ["turn:a.example", "turns:a.example:443?transport=tcp"],
            ("turn:a.example", "turns:a.example:443?transport=tcp"),
        ),
        (["stun:a.example", "turn:a.example"], ("turn:a.example",)),
        (["turn:a.example:53", "turns:a.example:53?transport=tcp", "turn:a.example"], ("turn:a.example",)),
        (["turn:a.example", "turn:a.example"], ("turn:a.example",)),
        (["turn:a.example", "turn:a.example?transport=sctp", "http://a.example", "javascript:x"], ("turn:a.example",)),
    ],
)
def test_addresses_that_clients_can_use_are_told(urls: object, told: tuple[str, ...]) -> None:
    assert answer_of({}).turn_urls([{**TURN, "urls": urls}], LOGIN) == told


def test_addresses_that_belong_to_another_login_are_left_out() -> None:
    servers = [
        {**TURN, "urls": "turn:a.example"},
        {"username": "other", "credential": "word", "urls": "turn:b.example"},
    ]
    assert answer_of({}).turn_urls(servers, LOGIN) == ("turn:a.example",)


@pytest.mark.parametrize(
    "urls", [[], "stun:a.example", "turn:a.example:53", None, 5, [None], [["turn:a"]], {"a": 1}, "x" * 600]
)
def test_without_an_address_of_use_there_are_no_credentials(urls: object) -> None:
    with pytest.raises(ProviderFailed):
        answer_of({}).turn_urls([{**TURN, "urls": urls}], LOGIN)


def test_lists_have_an_end() -> None:
    many = [f"turn:a{n}.example" for n in range(51)]
    with pytest.raises(ProviderFailed, match="too many"):
        answer_of({}).servers([{**TURN, "urls": url} for url in many])
    with pytest.raises(ProviderFailed, match="too many"):
        answer_of({}).turn_urls([{**TURN, "urls": many}], LOGIN)
    with pytest.raises(ProviderFailed, match="too many"):
        answer_of({}).turn_urls([{**TURN, "urls": many[:50]}, {**TURN, "urls": many[50:]}], LOGIN)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["iceServers", "ice_servers", "urls", "url", "username", "credential", "password", "ttl", "v", "s"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(json_values)
def test_no_answer_raises_anything_but_the_failure(value: object) -> None:
    answer = answer_of(value)
    try:
        servers = answer.servers(answer.table(answer.value, "answer").get("iceServers"))
        login = answer.login(servers)
        urls = answer.turn_urls(servers, login)
    except ProviderFailed:
        return
    assert all(0 < len(text.encode()) <= 512 and text.isprintable() for text in (*login, *urls))


class Recorded:
    """Takes requests down, and answers none."""

    def __init__(self) -> None:
        self.requests: list[HttpRequest] = []

    async def fetch(self, request: HttpRequest) -> HttpReply:
        """Fail as a provider does that is not there."""
        self.requests.append(request)
        raise HttpFailed(HttpFault.LATE)


async def test_connection_leaves_half_of_the_time_for_another_attempt() -> None:
    recorded = Recorded()
    terms = Terms(http=recorded, urls=(), requested_seconds=2000, told_seconds=1000, deadline_seconds=4)
    with pytest.raises(ProviderFailed, match="no answer in time") as failed:
        await fetched(terms, HttpRequest(method="POST", url="https://turn.example/", seconds=4))
    assert failed.value.may_pass
    assert [request.connect_seconds for request in recorded.requests] == [2]
