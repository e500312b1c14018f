"""From settings to the parts that answer requests: which figure goes where. Builds, never runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version as distribution_version
from typing import Any

from bridge.callers import Door
from bridge.conditions import Conditions
from bridge.destinations import Deliverer, Publisher
from bridge.dispatcher import Dispatcher, DispatchRules
from bridge.domains import DomainKeys
from bridge.envelope import Freshness
from bridge.events import CountingSink, Events, LogSink
from bridge.http import Fetch
from bridge.identity import Identity
from bridge.inbox import Inbox, InboxRules
from bridge.newcomers import Newcomers
from bridge.outbox import Outbox, OutboxRules
from bridge.permits import AccountPermits, FreeLimits, PermitRules, StrangerLimits
from bridge.recorder import Recorder
from bridge.reload import LivePart
from bridge.replies import ReplyTimes, ReplyWriter
from bridge.sealing import Sealing
from bridge.services.account import AccountDelete, AccountGet, set_access_key
from bridge.services.device import DeviceList, DeviceRegister, DeviceRevoke
from bridge.services.info import BridgeInfo
from bridge.services.offered import OfferedServices
from bridge.services.service import Service
from bridge.services.turn import TurnGetCredentials
from bridge.settings.tree import Settings
from bridge.tallies import RequestTallies
from bridge.terms import admission_rules, bucket_of, domain_rules
from bridge.turn.chain import ProviderChain
from bridge.turn.names import Names
from bridge.turn.rules import name_rules, relay_rules
from client.clock import Clock
from client.entropy import Entropy
from nips.nip59 import WrapWindow
from protocol.catalogue import Catalogue
from storage.interface import Storage
from storage.permits import Bucket


@dataclass(frozen=True, slots=True)
class Core:
    """The parts that take a wrap in and get its answer out."""

    inbox: Inbox
    outbox: Outbox
    names: Names
    domains: DomainKeys
    counts: CountingSink
    tallies: RequestTallies
    permits: AccountPermits
    live: Sequence[LivePart[Any]]
    """What goes by other settings without a restart."""

    @property
    def buckets(self) -> Mapping[str, Bucket]:
        """The figures of the contract's limiters, as they count now."""
        return self.permits.buckets


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the core stands on, from outside it."""

    identity: Identity
    sealing: Sealing
    storage: Storage
    clock: Clock
    entropy: Entropy
    catalogue: Catalogue
    conditions: Conditions
    here: Deliverer
    publishers: Mapping[str, Publisher]
    own_url: Callable[[], str]
    """Address of our own endpoint, known once it has its port."""
    relays: Callable[[], Sequence[str]]
    """Where clients are told to come."""
    http: Fetch
    """Sends requests to providers and to domains that name keys."""
    chain: ProviderChain
    """TURN providers; may be empty."""


def build_core(settings: Settings, around: Surroundings) -> Core:
    """Return the core as the settings want it."""
    counts, tallies = CountingSink(), RequestTallies(around.catalogue)
    events = Events(around.catalogue, around.identity.pseudonyms, (LogSink(), counts))
    rules = permit_rules(settings)
    permits = AccountPermits(around.storage.permits, rules.accounts, around.clock)
    strangers, free = StrangerLimits(rules), FreeLimits(rules)
    domains = DomainKeys(
        domain_rules(settings),
        http=around.http,
        secrets=around.storage.secrets,
        conditions=around.conditions,
        clock=around.clock,
    )
    door = _door(settings, around, domains)
    names = Names(name_rules(settings), around.clock, around.conditions)
    turn = _turn_credentials(settings, around, names)
    replies = _reply_writer(settings, around)
    outbox = _outbox(settings, around, replies)
    dispatcher = Dispatcher(
        catalogue=around.catalogue,
        services=build_services(around, permits, door, turn),
        storage=around.storage,
        door=door,
        permits=permits,
        strangers=strangers,
        free=free,
        recorder=_recorder(settings, around, replies, outbox),
        events=events,
        clock=around.clock,
        rules=_dispatch_rules(settings),
    )
    inbox = Inbox(
        around.identity.secret.public_key,
        sealing=around.sealing,
        storage=around.storage,
        dispatcher=dispatcher,
        clock=around.clock,
        tallies=tallies,
        rules=_inbox_rules(settings),
    )
    live = (
        LivePart(permit_rules, lambda adopted: permits.adopt(adopted.accounts)),
        LivePart(permit_rules, strangers.adopt),
        LivePart(permit_rules, free.adopt),
        LivePart(admission_rules, door.adopt),
        LivePart(domain_rules, domains.adopt),
        LivePart(name_rules, names.adopt),
        LivePart(relay_rules, turn.adopt),
    )
    return Core(inbox, outbox, names, domains, counts, tallies, permits, live)


def build_services(
    around: Surroundings, permits: AccountPermits, door: Door, turn: TurnGetCredentials
) -> Mapping[str, Service]:
    """Return the methods that this bridge offers; with neither TURN nor STUN there is no `turn.get_credentials`."""
    accounts, bridge = around.storage.accounts, around.identity.secret.public_key
    services: dict[str, Service] = {
        "account.get": AccountGet(accounts, permits),
        "account.delete": AccountDelete(around.clock),
        "account.set_access_key": set_access_key,
        "device.register": DeviceRegister(accounts, door.join, bridge, around.clock, around.entropy),
        "device.list": DeviceList(accounts),
        "device.revoke": DeviceRevoke(),
        "turn.get_credentials": turn,
    }
    offered = OfferedServices(services, {"turn.get_credentials": lambda: turn.is_offered})
    services["bridge.info"] = BridgeInfo(
        version=distribution_version("nostr-switchboard"),
        pubkey=bridge,
        methods=lambda: sorted(offered),
        relays=around.relays,
        terms=door,
        permits=permits,
    )
    return offered


def _turn_credentials(settings: Settings, around: Surroundings, names: Names) -> TurnGetCredentials:
    return TurnGetCredentials(
        relay_rules(settings),
        chain=around.chain,
        names=names,
        pseudonyms=around.identity.pseudonyms,
        clock=around.clock,
    )


def wrap_window(settings: Settings) -> WrapWindow:
    """Return how far a wrap's time may lie from ours."""
    wraps = settings.wraps
    return WrapWindow(wraps.max_past_seconds, wraps.max_future_seconds, wraps.ephemeral_window_seconds)


def permit_rules(settings: Settings) -> PermitRules:
    """Return the figures of all limiters."""
    permits = settings.permits
    return PermitRules(
        accounts={name: bucket_of(figures) for name, figures in permits.by_limiter().items()},
        strangers=bucket_of(permits.strangers),
        free=bucket_of(permits.free),
        free_together=bucket_of(permits.free_together),
        max_keys=permits.max_tracked_keys,
        least_work=settings.accounts.work.min_bits,
    )


def _door(settings: Settings, around: Surroundings, domains: DomainKeys) -> Door:
    rules, storage = admission_rules(settings), around.storage
    newcomers = Newcomers(
        storage.accounts,
        storage.permits,
        rules.joining,
        conditions=around.conditions,
        clock=around.clock,
        entropy=around.entropy,
    )
    return Door(storage.accounts, newcomers, rules, listed=domains)


def _reply_writer(settings: Settings, around: Surroundings) -> ReplyWriter:
    replies = settings.replies
    return ReplyWriter(
        around.sealing,
        times=ReplyTimes(
            retention_seconds=replies.retention_seconds,
            free_retention_seconds=replies.free_retention_seconds,
            live_seconds=replies.live_seconds,
            backdate_max_seconds=replies.backdate_max_seconds,
        ),
        own_url=around.own_url,
        upstream=around.publishers,
        public_events=around.storage.public_events,
        clock=around.clock,
        entropy=around.entropy,
    )


def _outbox(settings: Settings, around: Surroundings, replies: ReplyWriter) -> Outbox:
    upstream = settings.upstream
    return Outbox(
        outbox=around.storage.outbox,
        inbox=around.storage.inbox,
        replies=replies,
        here=around.here,
        publishers=around.publishers,
        clock=around.clock,
        rules=OutboxRules(
            max_live_waiting=settings.replies.max_live_waiting,
            max_live_waiting_each=settings.replies.max_live_waiting_each,
            first_retry_seconds=max(1, round(upstream.backoff_first_seconds)),
            last_retry_seconds=max(1, round(upstream.backoff_max_seconds)),
        ),
    )


def _recorder(settings: Settings, around: Surroundings, replies: ReplyWriter, outbox: Outbox) -> Recorder:
    return Recorder(
        bridge=around.identity.secret.public_key,
        wire_version=around.catalogue.version,
        requests=around.storage.requests,
        replies=replies,
        outbox=outbox,
        clock=around.clock,
        freshness=_freshness(settings),
        seen_seconds=_seen_seconds(settings),
    )


def _dispatch_rules(settings: Settings) -> DispatchRules:
    return DispatchRules(
        freshness=_freshness(settings),
        max_content_bytes=settings.relay.max_event_bytes,
        deadline_seconds=settings.inbox.deadline_seconds,
    )


def _freshness(settings: Settings) -> Freshness:
    return Freshness(settings.inbox.max_age_seconds, settings.inbox.max_future_seconds)


def _inbox_rules(settings: Settings) -> InboxRules:
    return InboxRules(
        max_waiting=settings.inbox.max_waiting,
        concurrency=settings.inbox.concurrency,
        seen_seconds=_seen_seconds(settings),
        keep_after_seconds=settings.inbox.keep_after_seconds,
        stranger_patience_seconds=settings.inbox.stranger_patience_seconds,
        stranger_concurrency=settings.inbox.stranger_concurrency,
        concurrency_each=settings.inbox.concurrency_each,
        max_waiting_each=settings.inbox.max_waiting_each,
        max_known_accounts=settings.permits.max_tracked_keys,
    )


def _seen_seconds(settings: Settings) -> int:
    # A relay takes the same wrap again for as long as its time is within the window of its kind.
    wraps = settings.wraps
    return max(wraps.max_past_seconds + wraps.max_future_seconds, 2 * wraps.ephemeral_window_seconds) + 1
