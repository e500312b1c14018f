"""A client on pynostr and nothing else. It knows neither AUTH nor gift wraps, which are therefore none of its business.

stdin:  {"relay": url, "secret": hex}
stdout: {"published": {id: accepted}, "wrap": id, "wraps": [id], "everything": [event]}
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pynostr.event import Event
from pynostr.filters import Filters, FiltersList
from pynostr.key import PrivateKey
from pynostr.relay_manager import RelayManager

PROFILE, RELAY_LIST, GIFT_WRAP, EPHEMERAL_GIFT_WRAP = 0, 10002, 1059, 21059
PATIENCE_SECONDS = 15


class Connection:
    """One connection, that ends when the relay has said a certain number of things."""

    def __init__(self, relay: str, *, until: str, count: int) -> None:
        self._until = until
        self._left = count
        self.manager = RelayManager()
        self.manager.add_relay(relay, timeout=PATIENCE_SECONDS, close_on_eose=False, message_callback=self._count)

    def run(self) -> Any:
        """Send what was prepared, and return all that was received."""
        self.manager.run_sync()
        return self.manager.message_pool

    def _count(self, message: list[Any]) -> None:
        self._left -= message[0] == self._until
        if not self._left:
            self.manager.close_all_relay_connections()


def signed(secret: PrivateKey, **fields: Any) -> Event:
    """Return an event by a key."""
    event = Event(pubkey=secret.public_key.hex(), **fields)
    event.sign(secret.hex())
    return event


def publish(relay: str, events: list[Event]) -> dict[str, bool]:
    """Publish events and return which were accepted."""
    connection = Connection(relay, until="OK", count=len(events))
    for event in events:
        connection.manager.publish_event(event)
    return {answer.event_id: answer.ok for answer in connection.run().get_all_ok()}


def read(relay: str, **subscriptions: list[Filters]) -> dict[str, list[Event]]:
    """Return the stored events of several subscriptions."""
    connection = Connection(relay, until="EOSE", count=1)
    for name, filters in subscriptions.items():
        connection.manager.add_subscription_on_all_relays(name, FiltersList(filters))
    found: dict[str, list[Event]] = {name: [] for name in subscriptions}
    for message in connection.run().get_all_events():
        found[message.subscription_id].append(message.event)
    return found


def main() -> None:
    """Publish a profile twice, a relay list and a wrap for ourselves; then look what is there."""
    asked = json.load(sys.stdin)
    relay, secret = asked["relay"], PrivateKey.from_hex(asked["secret"])
    ours, now = secret.public_key.hex(), int(time.time())
    wrap = signed(PrivateKey(), kind=GIFT_WRAP, content="sealed", tags=[["p", ours]])
    published = publish(
        relay,
        [
            signed(secret, kind=PROFILE, content='{"name":"old"}', created_at=now - 10),
            signed(secret, kind=PROFILE, content='{"name":"new"}', created_at=now),
            signed(secret, kind=RELAY_LIST, content="", tags=[["r", "wss://relay.example.org"]]),
            wrap,
        ],
    )
    found = read(
        relay,
        # The relay closes this one, of which pynostr never hears.
        wraps=[Filters(kinds=[GIFT_WRAP, EPHEMERAL_GIFT_WRAP], pubkey_refs=[ours])],
        everything=[Filters(authors=[ours]), Filters(pubkey_refs=[ours]), Filters(ids=[wrap.id])],
    )
    result = {
        "published": published,
        "wrap": wrap.id,
        "wraps": [event.id for event in found["wraps"]],
        "everything": [event.to_dict() for event in found["everything"]],
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
