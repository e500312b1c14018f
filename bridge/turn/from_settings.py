"""From settings to the providers of TURN credentials."""

from __future__ import annotations

from bridge.home import Home
from bridge.settings.turn import ProviderKind, TurnSettings
from bridge.turn.chain import ChainRules
from bridge.turn.coturn import CoturnProvider
from bridge.turn.provider import TurnProvider
from bridge.turn.static import StaticProvider


def chain_rules(settings: TurnSettings, home: Home, managed: TurnProvider | None = None) -> ChainRules:
    """Return the chain as the settings want it; raise `StartupError` for a secret file that is missing.

    `managed` is the coturn of our own, if there is to be one; where no provider is named it is the only one.
    """
    return ChainRules(
        tuple(_build(kind, settings, home, managed) for kind in settings.providers) or ((managed,) if managed else ()),
        deadline_seconds=settings.chain.deadline_seconds,
        provider_seconds=settings.chain.provider_seconds,
    )


def _build(kind: ProviderKind, settings: TurnSettings, home: Home, managed: TurnProvider | None) -> TurnProvider:
    match kind:
        case ProviderKind.COTURN:
            return _coturn(settings, home)
        case ProviderKind.STATIC:
            return _static(settings, home)
        case ProviderKind.MANAGED:
            assert managed is not None, "rules for one that is named and cannot be are refused"
            return managed


def _coturn(settings: TurnSettings, home: Home) -> CoturnProvider:
    coturn = settings.coturn
    secrets = [home.read_secret(name, "[turn.coturn] secret_files") for name in coturn.secret_files]
    return CoturnProvider(secret=secrets[0].encode(), urls=coturn.urls, ttl_seconds=settings.requested_ttl_seconds)


def _static(settings: TurnSettings, home: Home) -> StaticProvider:
    static = settings.static
    return StaticProvider(
        username=home.read_secret(static.username_file, "[turn.static] username_file"),
        password=home.read_secret(static.password_file, "[turn.static] password_file"),
        urls=static.urls,
    )
