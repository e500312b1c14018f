"""From a file to settings, or to all that is wrong with it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.settings.accounts import Admission
from bridge.settings.keys import table_of
from bridge.settings.problems import Problem, SettingsError
from bridge.settings.reading import all_declared, load_settings, parse_settings
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.settings.values import write_key

KEYS = [(place, declared.name) for place, declared in all_declared(Settings()) if table_of(declared) is None]
TABLES = sorted({place for place, _ in KEYS})

toml_numbers = st.integers(-(2**63), 2**63 - 1).map(str) | st.floats().map(repr) | st.sampled_from(["0xffff", "1_000"])
toml_texts = st.sampled_from(['""', '"x"', "'nsec1q'", '"turn:a"', '"ws://a"', '"""\n"""', '"open"', '"\\u0000"'])
toml_scalars = toml_numbers | toml_texts | st.sampled_from(["true", "false", "1979-05-27", "07:32:00", "{}", "{a.b=1}"])
toml_values = st.recursive(
    toml_scalars, lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"), max_leaves=5
)


def problems_of(text: str) -> list[Problem]:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text, source="test.toml")
    assert caught.value.source == "test.toml"
    return list(caught.value.problems)


def test_empty_file_is_the_defaults() -> None:
    assert parse_settings("") == Settings()


def test_what_the_file_says_replaces_the_default_and_nothing_else() -> None:
    settings = parse_settings(
        """
        [relay]
        port = 8080
        events_per_second = 1.5
        replaceable_kinds = []
        [turn]
        providers = ["coturn"]
        [turn.coturn]
        urls = ["turn:turn.example.org:3478?transport=udp"]
        secret_files = ["new", "/run/old"]
        [permits.turn]
        refill_seconds = 60
        [accounts]
        admission = "allowlist"
        [compat]
        read_without_auth = true
        """
    )
    assert (settings.relay.port, settings.relay.events_per_second, settings.relay.replaceable_kinds) == (8080, 1.5, ())
    assert settings.turn.providers == (ProviderKind.COTURN,)
    assert settings.turn.coturn.urls == ("turn:turn.example.org:3478?transport=udp",)
    assert settings.turn.coturn.secret_files == ("new", "/run/old")
    assert (settings.permits.turn.burst, settings.permits.turn.refill_seconds) == (100, 60)
    assert settings.accounts.admission is Admission.ALLOWLIST
    assert settings.compat.read_without_auth
    assert (settings.relay.host, settings.turn.static) == (Settings().relay.host, Settings().turn.static)
    assert settings.permits.info == Settings().permits.info


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("[relay]\nport = 70000", "relay.port = 70000: use a whole number from 0 to 65535"),
        ("[relay]\nprot = 1", 'relay.prot: there is no such key; did you mean "port"?'),
        ("[relai]\nport = 1", 'relai: there is no such table; did you mean "relay"?'),
        ("[turn.cotrun]", 'turn.cotrun: there is no such table; did you mean "coturn"?'),
        ("zzz = 1", "zzz: there is no such key; take it out"),
        ("ping_timeout_seconds = 1", "ping_timeout_seconds: there is no such key here; it belongs to [relay]"),
        ("[coturn]", "coturn: there is no such table here; it belongs to [turn]"),
        ("[turn.relay]", "turn.relay: there is no such table here; it belongs to the top"),
        (
            "[relay]\nretention_seconds = 1",
            "relay.retention_seconds: there is no such key here; it belongs to [wraps] and [replies]",
        ),
        ("relay = 5", "relay: this is a table: write [relay] and its keys below"),
        ("[permits]\nturn = [1]", "permits.turn: this is a table: write [permits.turn] and its keys below"),
        ("[relay.port]", "relay.port = {…}: use a whole number from 0 to 65535"),
        (
            "[relay]\nreplaceable_kinds = [3, 1]",
            "relay.replaceable_kinds = 1 (item 2): use replaceable kinds: 0, 3, 10000 to 19999, 30000 to 39999",
        ),
        ('["a b"]', '"a b": there is no such table; take it out'),
        (
            '[upstream]\nrelays = ["wss://x.example", "wss://y.example", "wss://X.example:443/"]',
            'upstream.relays = "wss://X.example:443/" (item 3): the same as item 1; take it out',
        ),
    ],
)
def test_problem_says_what_to_do(text: str, line: str) -> None:
    (problem,) = problems_of(text)
    assert str(problem) == line


def test_all_problems_of_a_file_are_told_at_once() -> None:
    text = (
        '[relay]\nport = "x"\nprot = 1\nephemeral_kinds = [1, 2]\n[log]\nlevel = "loud"\n[turn]\nttl_seconds = 100000\n'
    )
    assert [problem.key for problem in problems_of(text)] == [
        "relay.port",
        "relay.prot",
        "relay.ephemeral_kinds",
        "relay.ephemeral_kinds",
        "log.level",
        "turn.ttl_seconds",
    ]


@pytest.mark.parametrize(
    "text", ["[turn.coturn]\nsecret = 'hunter2'", "[turn.coturn]\nsecret_files = ['''hunter2\n''']"]
)
def test_secret_in_the_wrong_place_is_not_repeated(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    assert "hunter2" not in str(caught.value)


def test_secret_key_in_place_of_an_npub_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(f'[accounts]\nallow = ["nsec1{"q" * 58}"]')
    assert "nsec1q" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "[relay",
        "x = ",
        "[relay]\n[relay]",
        "a = 1\na = 2",
        f"a = {'9' * 5000}",
        f"a = {'[' * 100_000}",
        "\x00",
        "\ufeff",
    ],
    ids=["header", "value", "twice", "key twice", "digits", "brackets", "nul", "mark"],
)
def test_text_that_is_no_toml_is_refused(text: str) -> None:
    (problem,) = problems_of(text)
    assert not problem.key
    assert problem.fix.startswith(("is not TOML: ", "has a number too long"))


@pytest.mark.parametrize(
    "text",
    [f"{'.'.join('a' * 5000)} = 1", f"relay.port.{'.'.join('a' * 5000)} = 1", f"[relay]\nport = 0x{'f' * 100_000}"],
    ids=["deep table", "deep value", "huge number"],
)
def test_monstrous_values_are_refused_like_others(text: str) -> None:
    assert len(str(problems_of(text)[0])) < 200


@given(st.lists(st.tuples(st.sampled_from(KEYS), toml_values), max_size=6, unique_by=lambda entry: entry[0]))
def test_garbage_in_place_of_values_is_always_told(entries: list[tuple[tuple[str, str], str]]) -> None:
    text = "\n".join(f"{place}.{name} = {value}" for (place, name), value in entries)
    try:
        settings = parse_settings(text)
    except SettingsError as error:
        assert error.problems
        assert all(problem.fix and problem.key for problem in error.problems)
        assert all(line.isprintable() for line in str(error).splitlines())
    else:
        assert isinstance(settings, Settings)


@given(st.sampled_from(TABLES), st.text(st.characters(exclude_categories=["Cs"]), max_size=12), toml_values)
def test_garbage_in_place_of_keys_is_always_told(table: str, name: str, value: str) -> None:
    known = {key for place, key in KEYS if place == table} | {place.removeprefix(f"{table}.") for place in TABLES}
    if name not in known:
        (problem,) = problems_of(f"[{table}]\n{write_key(name)} = {value}")
        assert problem.key == f"{table}.{write_key(name)}"


@given(st.text(max_size=40))
def test_any_text_gives_settings_or_a_settings_error(text: str) -> None:
    try:
        parse_settings(text)
    except SettingsError as error:
        assert str(error)


def test_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    path.write_bytes(b"\xef\xbb\xbf[relay]\r\nport = 1234\r\n")
    assert load_settings(path).relay.port == 1234


def _missing(path: Path) -> None:
    assert not path.exists()


def _folder(path: Path) -> None:
    path.mkdir()


def _latin(path: Path) -> None:
    path.write_bytes(b'[bridge]\nname = "\xfc"')


def _wrong(path: Path) -> None:
    path.write_text("[relay]\nport = -1")


@pytest.mark.parametrize(
    ("make", "advice"),
    [
        (_missing, "there is no such file; `switchboard init` makes one"),
        (_folder, "cannot be read: "),
        (_latin, "is not UTF-8 text"),
        (_wrong, "relay.port = -1: use a whole number"),
    ],
)
def test_file_that_cannot_be_used_is_named(make: Any, advice: str, tmp_path: Path) -> None:
    path = tmp_path / "relay.toml"
    make(path)
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert str(caught.value).startswith(f"{path}: {advice}")
