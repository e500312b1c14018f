"""Which providers the settings make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import StartupError
from bridge.home import Home, write_secret
from bridge.http import HttpClient
from bridge.settings.turn import ChainSettings, CoturnSettings, PoolSettings, ProviderKind, StaticSettings, TurnSettings
from bridge.turn.breaker import BreakerRules
from bridge.turn.coturn import coturn_password
from bridge.turn.from_settings import chain_rules
from bridge.turn.gate import GateRules
from bridge.turn.pool import PoolRules
from bridge.turn.provider import TurnProvider
from tests.support.edges import TURN_URLS, ScriptedProvider

USER = "0" * 32
HTTP = HttpClient()


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in ("old", "new", "user", "pass"):
        write_secret(tmp_path / name, f"{name} secret")
    return Home(tmp_path)


def only_provider(settings: TurnSettings, home: Home) -> TurnProvider:
    (provider,) = chain_rules(settings, home, HTTP).providers
    return provider


def test_without_providers_the_chain_is_empty(home: Home) -> None:
    assert chain_rules(TurnSettings(), home, HTTP).providers == ()


def test_providers_stand_in_the_order_of_the_settings(home: Home) -> None:
    settings = TurnSettings(
        providers=(ProviderKind.STATIC, ProviderKind.COTURN),
        coturn=CoturnSettings(secret_files=("new",)),
        static=StaticSettings(username_file="user", password_file="pass"),
        chain=ChainSettings(deadline_seconds=7, provider_seconds=3),
    )
    rules = chain_rules(settings, home, HTTP)
    assert [provider.name for provider in rules.providers] == ["static", "coturn"]
    assert (rules.deadline_seconds, rules.each.provider_seconds) == (7, 3)


def test_coturn_of_our_own_is_the_only_one_where_none_is_named_and_stands_where_it_is(home: Home) -> None:
    managed = ScriptedProvider()
    assert chain_rules(TurnSettings(), home, HTTP, managed).providers == (managed,)
    coturn = CoturnSettings(secret_files=("new",))
    first = TurnSettings(providers=(ProviderKind.MANAGED, ProviderKind.COTURN), coturn=coturn)
    assert chain_rules(first, home, HTTP, managed).providers[0] is managed
    assert len(chain_rules(first, home, HTTP, managed).providers) == 2
    only = TurnSettings(providers=(ProviderKind.COTURN,), coturn=coturn)
    assert managed not in chain_rules(only, home, HTTP, managed).providers


async def test_the_first_secret_signs(home: Home) -> None:
    settings = TurnSettings(
        providers=(ProviderKind.COTURN,),
        requested_ttl_seconds=1000,
        coturn=CoturnSettings(urls=TURN_URLS, secret_files=("new", "old")),
    )
    credentials = await only_provider(settings, home).credentials(user=USER, now=5000)
    assert credentials.username == f"6000:{USER}"
    assert credentials.password == coturn_password(b"new secret", credentials.username)
    assert (credentials.urls, credentials.valid_seconds) == (TURN_URLS, 1000)


@pytest.mark.parametrize("files", [("gone",), ("new", "gone")])
def test_a_secret_that_is_missing_stops_the_start_and_is_named(home: Home, files: tuple[str, ...]) -> None:
    settings = TurnSettings(providers=(ProviderKind.COTURN,), coturn=CoturnSettings(secret_files=files))
    with pytest.raises(StartupError, match=r"\[turn.coturn\] secret_files: cannot read .*gone"):
        chain_rules(settings, home, HTTP)


async def test_a_fixed_account_is_read_from_its_files(home: Home) -> None:
    static = StaticSettings(urls=TURN_URLS, username_file="user", password_file="pass")
    settings = TurnSettings(providers=(ProviderKind.STATIC,), static=static)
    credentials = await only_provider(settings, home).credentials(user=USER, now=5000)
    assert (credentials.username, credentials.password) == ("user secret", "pass secret")
    assert (credentials.urls, credentials.valid_seconds) == (TURN_URLS, None)


@pytest.mark.parametrize(("user", "password", "named"), [("gone", "pass", "username"), ("user", "gone", "password")])
def test_a_fixed_account_that_is_incomplete_stops_the_start(home: Home, user: str, password: str, named: str) -> None:
    static = StaticSettings(username_file=user, password_file=password)
    with pytest.raises(StartupError, match=rf"\[turn.static\] {named}_file"):
        chain_rules(TurnSettings(providers=(ProviderKind.STATIC,), static=static), home, HTTP)


def test_the_same_settings_make_equal_providers_and_others_do_not(home: Home) -> None:
    settings = TurnSettings(providers=(ProviderKind.COTURN,), coturn=CoturnSettings(secret_files=("new",)))
    again = chain_rules(settings, home, HTTP).providers
    assert chain_rules(settings, home, HTTP).providers == again
    assert chain_rules(replace(settings, coturn=CoturnSettings(secret_files=("old",))), home, HTTP).providers != again


# --- asked over HTTP

TABLES = {
    "cloudflare": {"token_file": "new", "key_id": "key"},
    "twilio": {"token_file": "new", "account_sid": "AC1", "key_sid": "SK1"},
    "metered": {"secret_key_file": "new", "endpoint": "https://app.metered.live"},
    "xirsys": {"secret_file": "new", "channel": "calls", "ident": "me"},
}


def with_table(kind: str, **changes: object) -> TurnSettings:
    entries: dict[str, Any] = {**TABLES[kind], **changes}
    table = replace(TurnSettings().of(ProviderKind(kind)), **entries)
    chosen: dict[str, Any] = {"providers": (ProviderKind(kind),), kind: table}
    return TurnSettings(**chosen)


@pytest.fixture
def one_line(home: Home) -> Home:
    (home.path / "new").unlink()
    write_secret(home.path / "new", "planted-token")
    return home


@pytest.mark.parametrize("kind", TABLES)
def test_provider_over_http_has_what_its_table_says_and_no_secret_shows(one_line: Home, kind: str) -> None:
    provider = only_provider(with_table(kind, urls=TURN_URLS), one_line)
    assert provider.name == kind
    assert "planted" not in repr(provider)
    terms = getattr(provider, "terms")  # noqa: B009
    assert (terms.urls, terms.requested_seconds, terms.told_seconds) == (TURN_URLS, 86_400, 43_200)


@pytest.mark.parametrize("kind", TABLES)
def test_secret_that_cannot_stand_in_a_header_stops_the_start_and_is_named(home: Home, kind: str) -> None:
    for number, text in enumerate(("two lines\nplanted", "planted word", "plantéd", "planted\x00")):
        write_secret(home.path / f"odd{number}", text)
        (key,) = [key for key in TABLES[kind] if key.endswith("_file")]
        with pytest.raises(StartupError, match=rf"\[turn.{kind}\] {key}: .*one line of ASCII") as refused:
            chain_rules(with_table(kind, **{key: f"odd{number}"}), home, HTTP)
        assert "planted" not in str(refused.value)


@pytest.mark.parametrize("kind", TABLES)
def test_secret_that_changed_in_its_file_makes_another_provider(one_line: Home, kind: str) -> None:
    settings = with_table(kind)
    before = chain_rules(settings, one_line, HTTP).providers
    assert chain_rules(settings, one_line, HTTP).providers == before
    (one_line.path / "new").unlink()
    write_secret(one_line.path / "new", "planted-other")
    assert chain_rules(settings, one_line, HTTP).providers != before


def test_figures_of_chain_and_pool_are_those_of_the_settings(one_line: Home) -> None:
    chain = ChainSettings(
        deadline_seconds=9,
        provider_seconds=3,
        attempts=5,
        retry_seconds=0.7,
        max_concurrent=11,
        max_waiting=12,
        max_concurrent_each=3,
        breaker_calls=13,
        breaker_failure_percent=14,
        breaker_open_seconds=15,
        breaker_probes=16,
    )
    pool = PoolSettings(size=17, max_age_seconds=18, max_concurrent=19)
    settings = replace(with_table("cloudflare"), chain=chain, pool=pool, ttl_seconds=20_000)
    rules = chain_rules(settings, one_line, HTTP)
    each = rules.of(rules.providers[0])
    assert (rules.deadline_seconds, each.provider_seconds, each.attempts, each.retry_seconds) == (9, 3, 5, 0.7)
    assert each.gate == GateRules(11, 12, 3)
    assert each.breaker == BreakerRules(13, 14, 15, 16)
    assert each.pool == PoolRules(17, 18, 20_000, 19)


def test_only_those_that_make_the_same_for_everybody_have_a_pool(home: Home) -> None:
    settings = TurnSettings(
        providers=(ProviderKind.COTURN, ProviderKind.STATIC),
        coturn=CoturnSettings(secret_files=("new",)),
        static=StaticSettings(username_file="user", password_file="pass"),
        pool=PoolSettings(size=5),
    )
    rules = chain_rules(settings, home, HTTP)
    assert [rules.of(provider).pool.size for provider in rules.providers] == [0, 0]


def test_only_what_is_asked_over_the_network_gets_time_and_a_pool(home: Home) -> None:
    rules = chain_rules(TurnSettings(pool=PoolSettings(size=3)), home, HttpClient())
    assert rules.computed == {ProviderKind.COTURN, ProviderKind.STATIC, ProviderKind.MANAGED}
    assert rules.pooled == set(ProviderKind) - rules.computed
    write_secret(home.path / "turn.secret", "north")
    (coturn,) = chain_rules(TurnSettings(providers=(ProviderKind.COTURN,)), home, HttpClient()).providers
    assert rules.of(coturn).is_computed
    assert not rules.of(coturn).pool.size
