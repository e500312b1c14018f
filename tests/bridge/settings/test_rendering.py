"""The file that is shipped and the one that a new home gets: complete, explained, and read back as it was written."""

from __future__ import annotations

from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from types import GenericAlias
from typing import Any, get_args, get_type_hints

from hypothesis import given
from hypothesis import strategies as st

from bridge.settings import forms
from bridge.settings.endpoint import UpstreamSettings
from bridge.settings.keys import Key, key_of, table_of
from bridge.settings.pairs import impossible_pairs
from bridge.settings.reading import all_declared, load_settings, parse_settings
from bridge.settings.rendering import LINE_LENGTH, render
from bridge.settings.tree import Settings

SHIPPED = Path(__file__).resolve().parents[3] / "relay.toml"

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
well_formed: dict[Any, st.SearchStrategy[Any]] = {
    None: texts,
    forms.host: st.sampled_from(["127.0.0.1", "::1", "relay.example.org"]),
    forms.optional_host: st.sampled_from(["", "turn.example.org"]),
    forms.relay_url: st.sampled_from([f"wss://relay{n}.example.org/" for n in range(9)]),
    forms.optional_relay_url: st.sampled_from(["", "ws://relay.example.org:81"]),
    forms.turn_url: st.sampled_from(["turn:turn.example.org", "turns:[::1]:443?transport=tcp"]),
    forms.turn_pattern: st.sampled_from(["turn:%s", "turns:%s:443?transport=tcp"]),
    forms.optional_name: st.sampled_from(["", "AC0123-_.~"]),
    forms.api_url: st.sampled_from(["https://api.example.org", "http://127.0.0.1:8080"]),
    forms.optional_api_url: st.sampled_from(["", "https://app.example.org/v1"]),
    forms.name_server: st.sampled_from(["127.0.0.1", "[::1]:5353"]),
    forms.optional_label: st.sampled_from(["", "beta", 'two words and a "quote"']),
    forms.own_address: st.sampled_from(["192.0.2.7", "2001:db8::7"]),
    forms.peer_network: st.sampled_from(["192.0.2.7", "10.0.0.0/8", "::/0"]),
    forms.optional_stun_url: st.sampled_from(["", "stun:stun.example.org:3478"]),
    forms.optional_file: st.sampled_from(["", "tls/turn.crt"]),
    forms.stun_url: st.just("stun:turn.example.org"),
    forms.account_key: st.sampled_from(["ab" * 32, "npub1" + "q" * 58]),
    forms.optional_account_key: st.sampled_from(["", "ab" * 32]),
    forms.domain: st.sampled_from(["example.org", "localhost:8443", "a.example.org"]),
    forms.file: st.sampled_from(["a", "/run/secrets/b c", 'quote".key']),
    forms.network: st.sampled_from(["127.0.0.1", "10.0.0.0/8", "::1", "fd00::/8"]),
    forms.kind_window: st.sampled_from(["0 60 60", "10050 31536000 60", "24133 5 5"]),
    forms.kept_kind: st.sampled_from([0, 3, 10050]),
    forms.passed_kind: st.sampled_from([21059, 29999]),
}


def values_of(hint: Any, key: Key) -> st.SearchStrategy[Any]:
    if isinstance(hint, GenericAlias):
        item = get_args(hint)[0]
        if issubclass(item, StrEnum):
            return st.lists(st.sampled_from(list(item)), max_size=6, unique_by=key.identity).map(tuple)
        return st.lists(well_formed[key.form], max_size=6, unique_by=key.identity).map(tuple)
    if issubclass(hint, StrEnum):
        return st.sampled_from(list(hint))
    if hint is bool:
        return st.booleans()
    if hint is str:
        return well_formed[key.form]
    assert key.least is not None
    assert key.most is not None
    whole = st.integers(int(-(-key.least // 1)), int(key.most))
    return whole if hint is int else whole | st.floats(key.least, key.most)


def tables_like(default: Any) -> st.SearchStrategy[Any]:
    hints = get_type_hints(type(default))
    parts = {
        declared.name: values_of(hints[declared.name], key_of(declared))
        if table_of(declared) is None
        else tables_like(getattr(default, declared.name))
        for declared in fields(default)
    }
    changes = st.fixed_dictionaries({}, optional=parts)
    return changes.map(lambda changed: replace(default, **changed))


def test_shipped_file_is_the_rendered_defaults() -> None:
    assert SHIPPED.read_text("utf-8") == render(Settings())


def test_shipped_file_loads_as_the_defaults() -> None:
    assert load_settings(SHIPPED) == Settings()


def test_every_key_stands_in_the_file_below_its_explanation_and_default() -> None:
    lines = render(Settings()).splitlines()
    for _, declared in all_declared(Settings()):
        if table_of(declared) is None:
            places = [n for n, line in enumerate(lines) if line.startswith(f"{declared.name} = ")]
            explained = [n for n in places if "default " in " ".join(lines[n - 2 : n])]
            assert places
            assert explained == places


def test_lines_fit_a_screen() -> None:
    assert max(map(len, render(Settings()).splitlines())) <= LINE_LENGTH


def test_unit_and_range_stand_beside_the_default() -> None:
    text = render(Settings())
    assert "(default 131072 bytes; 4096 to 16777216)\nmax_message_bytes = 131072\n" in text
    assert "(default 20 per second; 0.001 to 1000000)\nevents_per_second = 20\n" in text
    assert '(default "open"; "open" | "invite" | "allowlist")\nadmission = "open"\n' in text


def test_changed_value_stands_beside_its_default() -> None:
    settings = replace(Settings(), stop=replace(Settings().stop, grace_seconds=2.5))
    assert "(default 10 seconds; 0 to 600)\ngrace_seconds = 2.5\n" in render(settings)


def test_long_list_is_written_one_item_a_line() -> None:
    relays = tuple(f"wss://relay{n}.example.org" for n in range(6))
    text = render(replace(Settings(), upstream=UpstreamSettings(relays=relays)))
    assert 'relays = [\n  "wss://relay0.example.org",\n' in text
    assert parse_settings(text).upstream.relays == relays


@given(tables_like(Settings()))
def test_rendered_settings_are_read_back_as_they_were(settings: Settings) -> None:
    text = render(settings)
    if not list(impossible_pairs(settings, spoiled=())):
        assert parse_settings(text) == settings
    assert max(map(len, text.splitlines())) <= 2 * LINE_LENGTH
