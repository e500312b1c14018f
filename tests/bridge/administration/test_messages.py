"""Lines of the admin socket."""

from __future__ import annotations

import pytest

from bridge.administration.messages import (
    MAX_REPLY_BYTES,
    MAX_REQUEST_BYTES,
    BadMessage,
    CommandRefused,
    Request,
    read_reply,
    read_request,
    write_problems,
    write_request,
    write_result,
)


def test_request_is_read_as_it_was_written() -> None:
    request = Request("accounts.show", {"account": "npub1é\n"})
    line = write_request(request)
    assert line.count(b"\n") == 1
    assert read_request(line.removesuffix(b"\n")) == request


def test_result_is_read_as_it_was_written() -> None:
    assert read_reply(write_result({"a": [1, "\n"]}).removesuffix(b"\n")) == {"a": [1, "\n"]}


def test_problems_come_as_they_were_told() -> None:
    with pytest.raises(CommandRefused) as caught:
        read_reply(write_problems(["one", "two"]).removesuffix(b"\n"))
    assert caught.value.problems == ("one", "two")
    assert str(caught.value) == "one\ntwo"


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"command":"status"}',
        b'{"command":1,"arguments":{}}',
        b'{"command":"status","arguments":[]}',
        b'{"command":"a","command":"b","arguments":{}}',
        b'{"command":"status","arguments":{"a":"' + b"a" * MAX_REQUEST_BYTES + b'"}}',
        b"[" * 10_000,
    ],
)
def test_what_is_no_request_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        read_request(line)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"result":1}', b'{"problems":"x"}', b"\xff"])
def test_what_is_no_reply_is_refused(line: bytes) -> None:
    with pytest.raises(BadMessage):
        read_reply(line)


def test_answer_that_no_client_would_read_is_refused_with_what_to_do() -> None:
    with pytest.raises(CommandRefused, match="ask for less"):
        write_result({"a": "a" * MAX_REPLY_BYTES})
