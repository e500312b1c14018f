"""Which providers the settings make."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from bridge.errors import StartupError
from bridge.home import Home, write_secret
from bridge.settings.turn import ChainSettings, CoturnSettings, ProviderKind, StaticSettings, TurnSettings
from bridge.turn.coturn import coturn_password
from bridge.turn.from_settings import chain_rules
from bridge.turn.provider import TurnProvider
from tests.support.edges import TURN_URLS, ScriptedProvider

USER = "0" * 32


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in ("old", "new", "user", "pass"):
        write_secret(tmp_path / name, f"{name} secret")
    return Home(tmp_path)


def only_provider(settings: TurnSettings, home: Home) -> TurnProvider:
    (provider,) = chain_rules(settings, home).providers
    return provider


def test_without_providers_the_chain_is_empty(home: Home) -> None:
    assert chain_rules(TurnSettings(), home).providers == ()


def test_providers_stand_in_the_order_of_the_settings(home: Home) -> None:
    settings = TurnSettings(
        providers=(ProviderKind.STATIC, ProviderKind.COTURN),
        coturn=CoturnSettings(secret_files=("new",)),
        static=StaticSettings(username_file="user", password_file="pass"),
        chain=ChainSettings(deadline_seconds=7, provider_seconds=3),
    )
    rules = chain_rules(settings, home)
    assert [provider.name for provider in rules.providers] == ["static", "coturn"]
    assert (rules.deadline_seconds, rules.provider_seconds) == (7, 3)


def test_coturn_of_our_own_is_the_only_one_where_none_is_named_and_stands_where_it_is(home: Home) -> None:
    managed = ScriptedProvider()
    assert chain_rules(TurnSettings(), home, managed).providers == (managed,)
    coturn = CoturnSettings(secret_files=("new",))
    first = TurnSettings(providers=(ProviderKind.MANAGED, ProviderKind.COTURN), coturn=coturn)
    assert chain_rules(first, home, managed).providers[0] is managed
    assert len(chain_rules(first, home, managed).providers) == 2
    only = TurnSettings(providers=(ProviderKind.COTURN,), coturn=coturn)
    assert managed not in chain_rules(only, home, managed).providers


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
        chain_rules(settings, home)


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
        chain_rules(TurnSettings(providers=(ProviderKind.STATIC,), static=static), home)


def test_the_same_settings_make_equal_providers_and_others_do_not(home: Home) -> None:
    settings = TurnSettings(providers=(ProviderKind.COTURN,), coturn=CoturnSettings(secret_files=("new",)))
    again = chain_rules(settings, home).providers
    assert chain_rules(settings, home).providers == again
    assert chain_rules(replace(settings, coturn=CoturnSettings(secret_files=("old",))), home).providers != again
