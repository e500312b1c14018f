"""From settings to the providers of TURN credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from hashlib import sha256

from bridge.errors import StartupError
from bridge.home import Home
from bridge.http import Fetch
from bridge.settings.keys import key_of
from bridge.settings.turn import ProviderKind, TurnSettings
from bridge.settings.turn_servers import ProviderSettings
from bridge.turn.breaker import BreakerRules
from bridge.turn.chain import ChainRules
from bridge.turn.cloudflare import CloudflareProvider
from bridge.turn.coturn import CoturnProvider
from bridge.turn.gate import GateRules
from bridge.turn.metered import MeteredProvider
from bridge.turn.pool import PoolRules
from bridge.turn.provider import TurnProvider
from bridge.turn.replies import Terms
from bridge.turn.source import SourceRules
from bridge.turn.static import StaticProvider
from bridge.turn.twilio import TwilioProvider
from bridge.turn.xirsys import XirsysProvider

REMOTE = frozenset({ProviderKind.CLOUDFLARE, ProviderKind.TWILIO, ProviderKind.METERED, ProviderKind.XIRSYS})
"""Those that are asked over HTTP, the same for everybody."""


def chain_rules(settings: TurnSettings, home: Home, http: Fetch, managed: TurnProvider | None = None) -> ChainRules:
    """Return the chain as the settings want it; raise `StartupError` for a secret file that is missing.

    `managed` is the coturn of our own, if there is to be one; where no provider is named it is the only one.
    """
    providers = tuple(_build(kind, settings, home, http, managed) for kind in settings.providers)
    return ChainRules(
        providers or ((managed,) if managed else ()),
        deadline_seconds=settings.chain.deadline_seconds,
        each=_source_rules(settings),
        pooled=REMOTE,
        computed=frozenset(ProviderKind) - REMOTE,
    )


def secret_digests(settings: TurnSettings, home: Home) -> dict[str, bytes]:
    """Return what tells one content from another of the secret files in use, by the key that names them."""
    digests = {}
    for kind in settings.providers:
        table = getattr(settings, kind)
        for declared in fields(table) if kind is not ProviderKind.MANAGED else ():
            if key_of(declared).is_file:
                key, named = f"turn.{kind}.{declared.name}", getattr(table, declared.name)
                names = (named,) if isinstance(named, str) else named
                digests[key] = sha256("\0".join(home.read_secret(name, key) for name in names).encode()).digest()
    return digests


def _build(
    kind: ProviderKind, settings: TurnSettings, home: Home, http: Fetch, managed: TurnProvider | None
) -> TurnProvider:
    if kind is ProviderKind.MANAGED:
        assert managed is not None, "rules for one that is named and cannot be are refused"
        return managed
    return _BUILDERS[kind](settings, home, http)


def _source_rules(settings: TurnSettings) -> SourceRules:
    chain, pool = settings.chain, settings.pool
    return SourceRules(
        provider_seconds=chain.provider_seconds,
        attempts=chain.attempts,
        retry_seconds=chain.retry_seconds,
        gate=GateRules(chain.max_concurrent, chain.max_waiting, chain.max_concurrent_each),
        breaker=BreakerRules(
            chain.breaker_calls, chain.breaker_failure_percent, chain.breaker_open_seconds, chain.breaker_probes
        ),
        pool=PoolRules(pool.size, pool.max_age_seconds, settings.ttl_seconds, pool.max_concurrent),
    )


def _coturn(settings: TurnSettings, home: Home, http: Fetch) -> CoturnProvider:
    coturn = settings.coturn
    secrets = [home.read_secret(name, "[turn.coturn] secret_files") for name in coturn.secret_files]
    return CoturnProvider(secret=secrets[0].encode(), urls=coturn.urls, ttl_seconds=settings.requested_ttl_seconds)


def _static(settings: TurnSettings, home: Home, http: Fetch) -> StaticProvider:
    static = settings.static
    return StaticProvider(
        username=home.read_secret(static.username_file, "[turn.static] username_file"),
        password=home.read_secret(static.password_file, "[turn.static] password_file"),
        urls=static.urls,
    )


def _cloudflare(settings: TurnSettings, home: Home, http: Fetch) -> CloudflareProvider:
    cloudflare = settings.cloudflare
    return CloudflareProvider(
        terms=_terms(settings, cloudflare, http),
        endpoint=cloudflare.endpoint,
        key_id=cloudflare.key_id,
        token=_token(home, cloudflare.token_file, "[turn.cloudflare] token_file"),
    )


def _twilio(settings: TurnSettings, home: Home, http: Fetch) -> TwilioProvider:
    twilio = settings.twilio
    return TwilioProvider(
        terms=_terms(settings, twilio, http),
        endpoint=twilio.endpoint,
        account_sid=twilio.account_sid,
        key_sid=twilio.key_sid,
        token=_token(home, twilio.token_file, "[turn.twilio] token_file"),
    )


def _metered(settings: TurnSettings, home: Home, http: Fetch) -> MeteredProvider:
    metered = settings.metered
    return MeteredProvider(
        terms=_terms(settings, metered, http),
        endpoint=metered.endpoint,
        secret_key=_token(home, metered.secret_key_file, "[turn.metered] secret_key_file"),
    )


def _xirsys(settings: TurnSettings, home: Home, http: Fetch) -> XirsysProvider:
    xirsys = settings.xirsys
    return XirsysProvider(
        terms=_terms(settings, xirsys, http),
        endpoint=xirsys.endpoint,
        channel=xirsys.channel,
        ident=xirsys.ident,
        secret=_token(home, xirsys.secret_file, "[turn.xirsys] secret_file"),
    )


_BUILDERS: dict[ProviderKind, Callable[[TurnSettings, Home, Fetch], TurnProvider]] = {
    ProviderKind.COTURN: _coturn,
    ProviderKind.STATIC: _static,
    ProviderKind.CLOUDFLARE: _cloudflare,
    ProviderKind.TWILIO: _twilio,
    ProviderKind.METERED: _metered,
    ProviderKind.XIRSYS: _xirsys,
}


def _terms(settings: TurnSettings, provider: ProviderSettings, http: Fetch) -> Terms:
    return Terms(
        http=http,
        urls=provider.urls,
        requested_seconds=settings.requested_ttl_seconds,
        told_seconds=settings.ttl_seconds,
        deadline_seconds=settings.chain.provider_seconds,
    )


def _token(home: Home, name: str, key: str) -> str:
    """Return a secret that can stand in a header or an address."""
    token = home.read_secret(name, key)
    if not token.isascii() or not token.isprintable() or " " in token:
        raise StartupError(f"{key}: {home.path / name} has to hold the secret alone, in one line of ASCII text")
    return token
