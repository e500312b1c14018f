"""The relay as the rest of the program sees it: one thing that serves, delivers and stops."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from bridge.relay.addresses import Origin
from bridge.relay.admission import Admission, WrapInbox
from bridge.relay.conversation import Backstage, Conversation, OnListening
from bridge.relay.information import RelayProfile, relay_information
from bridge.relay.limits import RelayLimits
from bridge.relay.pages import Pages
from bridge.relay.proved import ProvedKeys
from bridge.relay.server import RelayServer
from bridge.relay.session import Session
from bridge.relay.stored import StoredEvents
from bridge.relay.subscriptions import Push, Subscriptions
from bridge.relay.visibility import ReadProtection
from client.clock import Clock
from client.entropy import Entropy
from nips.event import VerifiedEvent
from nips.keys import PublicKey
from storage.interface import Added, Storage

OnGone = Callable[[Collection[str]], None]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EVERY_ADDRESS = ("0.0.0.0", "::")


class RelayEndpoint:
    """Our NIP-01 endpoint; it serves from entering its context to leaving it."""

    def __init__(
        self,
        *,
        bridge: PublicKey,
        inbox: WrapInbox,
        storage: Storage,
        clock: Clock,
        entropy: Entropy,
        host: str,
        port: int,
        public_url: str = "",
        read_without_auth: bool = False,
        profile: RelayProfile | None = None,
        limits: RelayLimits | None = None,
    ) -> None:
        """Take the bridge's key and where its wraps go; port 0 means any that is free."""
        self.on_listening: OnListening = _nobody_cares
        """Called with a key when its wraps begin to flow: after EOSE, and after an AUTH that opens its eyes."""
        self.on_gone: OnGone = _nobody_cares
        """Called with keys that may not act any more, since their account vanished (NIP-62)."""
        self._bridge = bridge
        self._clock = clock
        self._entropy = entropy
        self._host = host
        self._public_url = public_url
        self._urls = own_urls(public_url, host, port)
        self._profile = profile or RelayProfile()
        self._limits = limits or RelayLimits()
        self._protection = ReadProtection(bridge, read_without_auth)
        self._subscriptions = Subscriptions()
        self._proved = ProvedKeys()
        self._admission = Admission(
            bridge=bridge,
            inbox=inbox,
            storage=storage,
            relay_urls=lambda: self._urls,
            deliver=self._subscriptions.deliver,
            on_gone=lambda keys: self.on_gone(keys),
            clock=clock,
            limits=self._limits.publish,
        )
        self._backstage = Backstage(
            admission=self._admission,
            stored=StoredEvents(
                gift_wraps=storage.gift_wraps,
                public_events=storage.public_events,
                clock=clock,
                limits=self._limits.query,
            ),
            subscriptions=self._subscriptions,
            proved=self._proved,
            clock=clock,
            on_listening=lambda pubkey: self.on_listening(pubkey),
        )
        self._server = self._make_server(host, port)

    def _make_server(self, host: str, port: int) -> RelayServer:
        return RelayServer(
            host=host,
            port=port,
            limits=self._limits.server,
            max_message_bytes=self._limits.session.message.max_message_bytes,
            converse=self._converse,
            pages=self._pages,
        )

    async def __aenter__(self) -> Self:
        await self._admission.recall()
        await self._server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._server.__aexit__(kind, error, trace)

    @property
    def port(self) -> int:
        """The port really taken."""
        return self._server.port

    @property
    def url(self) -> str:
        """The address to tell clients."""
        return self._urls[0]

    @property
    def verdicts(self) -> Mapping[str, int]:
        """How often each verdict on an event of a client was given, by its prefix."""
        return self._backstage.verdicts

    @property
    def connections(self) -> int:
        """How many are connected, with a websocket or on the way to one."""
        return self._server.connections

    @property
    def subscriptions(self) -> int:
        """How many subscriptions are open, on all connections together."""
        return len(self._subscriptions)

    def deliver(self, event: VerifiedEvent) -> int:
        """Send an event to every open subscription that may see it, without waiting; return to how many."""
        return self._subscriptions.deliver(event)

    def hand_over(self, wrap: VerifiedEvent) -> bool:
        """Do the same with a wrap; return whether a connection got it that has proved its recipient's key."""
        return self._subscriptions.hand_over(wrap)

    def dismiss(self, keys: Iterable[str], reason: str) -> int:
        """Close every connection that proved one of these keys (1008), telling why; return how many."""
        return self._proved.dismiss(keys, reason)

    def storing(self, event_ids: Iterable[str]) -> AbstractContextManager[None]:
        """Know these events for ones that come to their listeners as soon as they are stored."""
        return self._subscriptions.under_way.storing(event_ids)

    def has_listeners(self, pubkey: str) -> bool:
        """Tell whether a subscription asks for wraps of a key at all."""
        return self._subscriptions.has_listeners(pubkey)

    def is_listening(self, pubkey: str, kind: int) -> bool:
        """Tell whether a subscription would get a wrap of this kind, stamped now, for a key."""
        return self._subscriptions.is_listening(pubkey, kind, self._clock.now())

    async def publish_own(self, event: VerifiedEvent) -> Added:
        """Keep and deliver a replaceable event of the bridge itself."""
        return await self._admission.publish_own(event)

    async def stop_reading(self) -> None:
        """Take nothing more in; return when everything read is answered. Live events still go out."""
        await self._server.stop_reading()

    async def drain(self) -> None:
        """Send what waits and close every connection (1001)."""
        await self._server.drain()

    def _converse(self, push: Push, origin: Origin, interrupt: Callable[[], None]) -> Conversation:
        session = Session(
            challenge=self._entropy.draw(16).hex(),
            relay_urls=self._urls,
            protection=self._protection,
            limits=self._limits.session,
            origin=origin,
        )
        return Conversation(session, self._backstage, push, origin.share, interrupt)

    def _pages(self, port: int) -> Pages:
        self._urls = own_urls(self._public_url, self._host, port)
        return Pages(relay_information(self._profile, self._limits, bridge=self._bridge), self.url)


def own_urls(public_url: str, host: str, port: int) -> Sequence[str]:
    """Return the addresses by which a client may name this relay in AUTH, the one to tell first.

    Only the public one where there is one. A relay without is for this machine, which has several names for itself; the
    `Host` of a request is none of them, as whoever relays somebody else's AUTH to us chooses it.
    """
    if public_url:
        return (public_url,)
    hosts = [host, *(_LOOPBACK if host in (*_LOOPBACK, *_EVERY_ADDRESS) else ())]
    return tuple(dict.fromkeys(f"ws://[{name}]:{port}" if ":" in name else f"ws://{name}:{port}" for name in hosts))


def _nobody_cares(about: object) -> None:
    """Do nothing, until somebody wants to know."""
