"""nostr-sdk's steps; `bench/peers/steps.py` says what goes in and out."""

from __future__ import annotations

import json
import os
import sys
from itertools import cycle

import nostr_sdk as sdk

from bench.rounds import Work, rate


def main() -> None:
    """Answer until stdin ends."""
    material = json.loads(sys.stdin.readline())
    keys = sdk.Keys.parse(material["secret"])
    texts, recipients = cycle(material["wraps"]), cycle([sdk.PublicKey.parse(key) for key in material["recipients"]])
    last = ""

    def unwrap(times: int) -> int:
        nonlocal last
        for _ in range(times):
            event = sdk.Event.from_json(next(texts))
            # As its relay pool does with every event that arrives; `from_gift_wrap` checks the seal.
            if not event.verify():
                raise RuntimeError("a wrap was not verified")
            last = sdk.UnwrappedGift.from_gift_wrap(keys, event).rumor().as_json()
        return times

    def wrap(times: int) -> int:
        nonlocal last
        for _ in range(times):
            rumor = sdk.UnsignedEvent.from_json(material["rumor"])
            last = sdk.nip59_make_gift_wrap(keys, next(recipients), rumor).as_json()
        return times

    steps: dict[str, Work] = {"unwrap": unwrap, "wrap": wrap}
    for line in sys.stdin:
        wanted = json.loads(line)
        print(json.dumps({"rate": rate(steps[wanted["do"]], wanted["seconds"]), "last": last}), flush=True)


if __name__ == "__main__":
    main()
    # Threads of nostr-sdk call into Python even while it ends, and sometimes crash it then.
    os._exit(0)
