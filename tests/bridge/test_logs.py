"""The log: its form, and that nothing of anybody gets into it."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.errors import ProviderFailed
from bridge.logs import JsonFormatter, TextFormatter, set_up_logging, where
from bridge.settings.upkeep import LogFormat, LogLevel, LogSettings
from client.publications import Outcome
from tests.support.edges import ScriptedProvider, ScriptedPublisher
from tests.support.pipeline import LIVE, STORED, Client, Pipeline, a_pipeline

ALICE = Client("alice")
SILENT = "planted"


class Terminal(io.StringIO):
    """Where a person looks."""

    def isatty(self) -> bool:
        return True


def a_record(message: str = "wrap dropped", *, level: int = logging.INFO, **facts: object) -> logging.LogRecord:
    record = logging.LogRecord("bridge.inbox", level, __file__, 1, message, None, None)
    record.created = 1_800_000_000.25
    if facts:
        record.facts = facts
    return record


def an_error() -> ZeroDivisionError:
    try:
        _ = 1 / 0
    except ZeroDivisionError as error:
        return error
    raise AssertionError


@pytest.fixture(autouse=True)
def root_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    libraries = {name: logging.getLogger(name).level for name in ("websockets", "aiosqlite", "asyncio")}
    yield
    root.handlers = handlers
    root.setLevel(level)
    for name, before in libraries.items():
        logging.getLogger(name).setLevel(before)


# --- the form of a line


def test_machines_get_one_object_a_line() -> None:
    line = JsonFormatter().format(a_record(wrap="01234567", number=7, words="two\nlines"))
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2027-01-15T08:00:00.250+00:00",
        "level": "info",
        "logger": "bridge.inbox",
        "message": "wrap dropped",
        "wrap": "01234567",
        "number": 7,
        "words": "two\nlines",
    }


def test_a_fact_that_is_no_json_is_written_as_text() -> None:
    assert json.loads(JsonFormatter().format(a_record(path=Path("data"))))["path"] == "data"


def test_people_get_words() -> None:
    line = TextFormatter(colours=False).format(a_record(wrap="01234567", count=3))
    assert line == "08:00:00  info     wrap dropped  wrap=01234567  count=3"


def test_a_record_without_facts_is_just_its_message() -> None:
    assert TextFormatter(colours=False).format(a_record()) == "08:00:00  info     wrap dropped"


def test_colours_are_only_where_somebody_sees_them() -> None:
    assert "\033[" not in TextFormatter(colours=False).format(a_record(wrap="x"))
    assert "\033[32m" in TextFormatter(colours=True).format(a_record(wrap="x"))


def test_a_level_of_a_librarys_own_is_shown_too() -> None:
    assert "level 15" in TextFormatter(colours=True).format(a_record(level=15))


@pytest.mark.parametrize("colours", [False, True])
def test_nothing_in_a_fact_or_message_commands_the_terminal(colours: bool) -> None:
    record = a_record("odd \033]0;title\a message", words="\033[2J\r\nfake line\u2028")
    line = TextFormatter(colours=colours).format(record)
    assert "\033]" not in line
    assert "\033[2J" not in line
    assert len(line.splitlines()) == 1


def test_only_the_first_line_of_a_message_is_written() -> None:
    """asyncio puts arguments and texts of errors on further lines."""
    record = a_record("Task exception was never retrieved\nfuture: <Task exception=ValueError('planted')>")
    for formatter in (JsonFormatter(), TextFormatter(colours=False)):
        assert SILENT not in formatter.format(record)
        assert "never retrieved" in formatter.format(record)


def test_of_an_error_its_class_and_place_are_written_and_not_its_text() -> None:
    try:
        raise ValueError("planted")
    except ValueError as error:
        record = a_record("it failed", wrap="01234567")
        record.exc_info = (ValueError, error, error.__traceback__)
        line = json.loads(JsonFormatter().format(record))
    assert line["error"] == "ValueError"
    assert line["at"].startswith("test_logs.py:")
    assert line["wrap"] == "01234567"
    assert SILENT not in json.dumps(line)


def test_where_an_error_was_raised_is_told_without_its_text() -> None:
    assert where(an_error())["error"] == "ZeroDivisionError"
    assert where(an_error())["at"].startswith("test_logs.py:")
    assert where(ValueError("planted")) == {"error": "ValueError", "at": "unknown"}


# --- where it goes


@pytest.mark.parametrize(
    ("chosen", "stream", "is_json"),
    [
        (LogFormat.AUTO, Terminal(), False),
        (LogFormat.AUTO, io.StringIO(), True),
        (LogFormat.JSON, Terminal(), True),
        (LogFormat.TEXT, io.StringIO(), False),
    ],
)
def test_the_form_is_the_one_that_is_asked_for(chosen: LogFormat, stream: io.StringIO, is_json: bool) -> None:
    set_up_logging(LogSettings(format=chosen), stream)
    logging.getLogger("bridge.test").info("hello")
    assert stream.getvalue().startswith("{") is is_json


@pytest.mark.parametrize("level", LogLevel)
def test_what_is_less_serious_is_not_written(level: LogLevel) -> None:
    stream = io.StringIO()
    set_up_logging(LogSettings(level=level, format=LogFormat.JSON), stream)
    for name in ("debug", "info", "warning", "error"):
        logging.getLogger("bridge.test").log(logging.getLevelNamesMapping()[name.upper()], name)
    written = [json.loads(line)["level"] for line in stream.getvalue().splitlines()]
    assert written == ["debug", "info", "warning", "error"][list(LogLevel).index(level) :]


def test_it_is_set_up_anew_each_time() -> None:
    first, second = io.StringIO(), io.StringIO()
    set_up_logging(LogSettings(), first)
    set_up_logging(LogSettings(), second)
    logging.getLogger("bridge.test").info("hello")
    assert not first.getvalue()
    assert len(second.getvalue().splitlines()) == 1


@pytest.mark.parametrize("library", ["websockets.server", "websockets.client", "aiosqlite"])
def test_libraries_that_name_peers_and_values_are_silent(library: str) -> None:
    stream = io.StringIO()
    set_up_logging(LogSettings(level=LogLevel.DEBUG), stream)
    logging.getLogger(library).error("connection from 192.0.2.7 failed")
    assert not stream.getvalue()


def test_faults_that_only_the_event_loop_notices_are_told() -> None:
    stream = io.StringIO()
    set_up_logging(LogSettings(), stream)
    logging.getLogger("asyncio").error("Task exception was never retrieved")
    assert "never retrieved" in stream.getvalue()


# --- what is in it


async def live_a_day(bridge: Pipeline, provider: ScriptedProvider, link: str) -> set[str]:
    """Have a bit of everything happen; return what must not be logged."""
    bridge.here.listen(ALICE.key, LIVE)
    sensitive = {ALICE.key, bridge.key, "planted-id", "planted-invite", SILENT}
    for number, method in enumerate(["bridge.info", "account.get", "turn.get_credentials", "planted.method"]):
        rumor = bridge.request(ALICE, method, id=f"planted-id-{number}", invite="planted-invite")
        for kind in (STORED, LIVE):
            for answer in await bridge.send(ALICE, rumor, kind, link=link):
                sensitive |= {rumor.id, answer.rumor.id, rumor.content, answer.rumor.content}
                result = answer.content.get("result", {})
                sensitive |= {result[name] for name in ("turn_username", "turn_password") if name in result}
    account = (await bridge.ask(ALICE, "account.get")).result
    sensitive |= {account["account"]["aci"], account["account"]["pni"], account["devices"][0]["device_id"]}
    for failure in (RuntimeError("planted secret"), ProviderFailed(503, "words of ours")):
        provider.failure = failure
        await bridge.ask(ALICE, "turn.get_credentials")
    await bridge.ask(ALICE, "account.get", {"planted": "planted"})
    for content in ("planted", '{"planted":1}', '{"id":"planted-id","_v":7}'):
        await bridge.send(ALICE, bridge.request(ALICE, content=content))
    await bridge.send(ALICE, bridge.request(ALICE, tags=[["p", ALICE.key]]))
    return sensitive


async def test_nothing_of_anybody_gets_into_the_log_even_at_its_most_talkative(tmp_path: Path) -> None:
    stream, provider, link = io.StringIO(), ScriptedProvider(), "wss://other.example"
    set_up_logging(LogSettings(level=LogLevel.DEBUG), stream)
    publishers = {link: ScriptedPublisher(Outcome.UNANSWERED, RuntimeError("planted fault"))}
    async with a_pipeline(tmp_path, provider=provider, publishers=publishers) as bridge:
        sensitive = await live_a_day(bridge, provider, link)
    written = stream.getvalue()
    # It did happen, and was told of.
    for told in ("wrap dropped", "request failed", "call_relay.credentials_issued", "call_relay.provider_error"):
        assert told in written
    assert len(sensitive) > 15
    assert [word for word in sensitive if word in written] == []
    for name in ("turn_username", "turn_password", "credential"):
        assert f'"{name}"' not in written


async def test_wraps_that_do_not_open_are_told_by_rule_and_prefix_only(tmp_path: Path) -> None:
    stream = io.StringIO()
    set_up_logging(LogSettings(level=LogLevel.DEBUG), stream)
    async with a_pipeline(tmp_path) as bridge:
        garbage = bridge.wrap(bridge.request(ALICE, tags=[["p", ALICE.key]]), ALICE)
        await bridge.give(garbage)
    (line,) = [json.loads(line) for line in stream.getvalue().splitlines() if "dropped" in line]
    assert (line["wrap"], line["reason"]) == (garbage.id[:8], "rumor is for somebody else")
    assert garbage.id not in stream.getvalue()
