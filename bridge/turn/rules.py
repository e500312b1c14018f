"""What the operator decided about telling relays: from settings to rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.public_keys import public_keys
from bridge.settings.name_server import parse_name_server
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.settings.turn_names import ExperimentSettings
from bridge.settings.turn_servers import ProviderSettings
from bridge.turn.addresses import RelayAddresses, relay_addresses
from bridge.turn.experiments import Experiment, share_of
from bridge.turn.names import NameRules


@dataclass(frozen=True, slots=True)
class RelayRules:
    """What clients are told besides the credentials themselves."""

    ttl_seconds: int
    """How long they are told to keep credentials, if the provider accepts them for so long."""
    stun_urls: tuple[str, ...]
    addresses: Mapping[str, RelayAddresses]
    """By the provider's word."""
    experiment: Experiment | None


def relay_rules(settings: Settings) -> RelayRules:
    """Return what clients are told; raise `StartupError` for a key that is none."""
    turn = settings.turn
    return RelayRules(
        ttl_seconds=turn.ttl_seconds,
        stun_urls=turn.stun_urls,
        addresses={kind.value: _addresses(turn.of(kind)) for kind in ProviderKind},
        experiment=_experiment(turn.experiment) if turn.experiment.name else None,
    )


def name_rules(settings: Settings) -> NameRules:
    """Return how host names are looked up."""
    turn, names = settings.turn, settings.turn.names
    told = [_addresses(turn.of(kind)) for kind in turn.providers or (ProviderKind.MANAGED,)]
    if turn.experiment.name:
        told.append(_addresses(turn.experiment))
    hosts = [addresses.with_urls_of(()).hostname for addresses in told if addresses.patterns]
    return NameRules(
        resolvers=tuple(map(parse_name_server, names.resolvers)),
        timeout_seconds=names.timeout_seconds,
        min_cache_seconds=names.min_cache_seconds,
        max_cache_seconds=names.max_cache_seconds,
        stale_seconds=names.stale_seconds,
        failure_seconds=names.failure_seconds,
        max_names=names.max_names,
        max_addresses=names.max_addresses,
        first_family=names.first_family,
        allow_private=names.allow_private,
        expected=tuple(host for host in hosts if host is not None),
    )


def _addresses(table: ProviderSettings | ExperimentSettings) -> RelayAddresses:
    return relay_addresses(table.urls, table.urls_with_ips, table.hostname or None)


def _experiment(settings: ExperimentSettings) -> Experiment:
    return Experiment(
        name=settings.name,
        share_percent=share_of(settings.share),
        listed=public_keys("turn.experiment.listed", settings.listed),
        excluded=public_keys("turn.experiment.excluded", settings.excluded),
        provider=settings.provider or None,
        addresses=_addresses(settings),
    )
