"""What a hostile client says in one connection: frames that know what was said before, some good, most of them not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from nips.keys import SecretKey
from tests.fuzz import cases, sealing
from tests.fuzz.mutation import Mutator
from tests.support.wraps import BRIDGE, NOW, ONE_TIME, STRANGER, drawn

Json = dict[str, Any]

VICTIM: Final = SecretKey(drawn("victim"))
"""Somebody whose wraps nobody else may see; no hostile client has this key."""

FRIEND: Final = SecretKey(drawn("friend"))
"""Somebody good, whose events nobody else may touch."""

_KINDS: Final = (0, 0, 3, 10002, 10050, 5, 5, 62, 62, 1, 4, 13, 22242, 24133, 30078)


@dataclass(slots=True)
class Speaker:
    """Draws the frames of one connection."""

    mutator: Mutator
    name: str
    challenge: str = ""
    relay_url: str = ""
    now: int = NOW
    prey: str = ""
    """Id of an event that belongs to others."""
    said: list[str] = field(default_factory=list)
    """Good frames of before, which may come again."""

    def frame(self) -> str | bytes:
        """Return the next frame."""
        rng = self.mutator.rng
        match rng.randrange(20):
            case 0:
                return rng.choice((b"", b"\x00\xff", b'["CLOSE","s"]'))
            case 1:
                return self.mutator.text(rng.choice(self.said or ["[]"]))
            case 2:
                return rng.choice(self.said or ["[]"])
            case 3 | 4 | 5:
                return cases.a_client_message(self.mutator)
            case 6 | 7 | 8 | 9:
                return self._noted("EVENT", self._event())
            case 10 | 11:
                return self._noted("EVENT", self._wrap())
            case 12:
                return f'["EVENT",{cases.a_wrap(self.mutator)}]'
            case 13:
                return self._noted("AUTH", self._auth())
            case 14:
                return self._noted("CLOSE", self._subscription())
            case 15:
                return self._noted("COUNT", self._subscription(), self._filter())
            case _:
                return self._noted("REQ", self._subscription(), *(self._filter() for _ in range(rng.choice((1, 1, 2)))))

    def _noted(self, *message: Any) -> str:
        if self.mutator.is_so(0.35):
            return cases.mutant(list(message), self.mutator)
        text = self.mutator.rendered(list(message))
        if len(self.said) < 50:
            self.said.append(text)
        return text

    def _subscription(self) -> str:
        return f"{self.name}-{self.mutator.rng.randrange(25)}"

    def _event(self) -> Json:
        rng = self.mutator.rng
        event = {
            "pubkey": STRANGER.public_key,
            "created_at": self.now + rng.choice((0, 0, -1, -rng.randrange(10**6), 30, 10**6)),
            "kind": rng.choice(_KINDS),
            "tags": rng.choice(self._tags()),
            "content": str(rng.randrange(10**6)),
        }
        return self._resigned(event, STRANGER)

    def _tags(self) -> Sequence[list[list[str]]]:
        return (
            [],
            [["-"]],
            [["d", "x"], ["expiration", "1"]],
            [["relay", self.relay_url]],
            [["relay", "ALL_RELAYS"]],
            [["e", self.prey], ["k", "1059"]],
            [["a", f"0:{FRIEND.public_key}:"], ["p", VICTIM.public_key]],
        )

    def _wrap(self) -> Json:
        rng = self.mutator.rng
        wrap = {
            "pubkey": ONE_TIME.public_key,
            "created_at": self.now + rng.choice((0, 0, -30, -86_400, -(10**6), 800, 10**4)),
            "kind": rng.choice((1059, 1059, 21059)),
            "tags": [["p", rng.choice((BRIDGE, VICTIM, VICTIM, STRANGER)).public_key]],
            "content": f"sealed {rng.randrange(10**6)}",
        }
        return self._resigned(wrap, ONE_TIME)

    def _auth(self) -> Json:
        rng = self.mutator.rng
        tags = [["relay", self.relay_url], ["challenge", self.challenge if rng.random() < 0.8 else "another"]]
        # In the victim's name, too, but never with its key.
        key, pubkey = rng.choice(((STRANGER, STRANGER), (ONE_TIME, ONE_TIME), (STRANGER, VICTIM)))
        auth = {"pubkey": pubkey.public_key, "created_at": self.now, "kind": 22242, "tags": tags, "content": ""}
        return self._resigned(auth, key)

    def _resigned(self, event: Json, secret: SecretKey) -> Json:
        if self.mutator.is_so(0.2):
            changed = self.mutator.changed(event)
            try:
                return sealing.signed(changed, secret)
            except (TypeError, AttributeError):
                return event
        return sealing.signed(event, secret)

    def _filter(self) -> Json:
        rng = self.mutator.rng
        whole: Json = {
            "kinds": [rng.choice((1059, 21059, 0, 10050)), *rng.choice(((), (0,)))],
            "#p": [rng.choice((VICTIM, STRANGER, BRIDGE)).public_key],
            "authors": [STRANGER.public_key],
            "ids": ["ab" * 32],
            "since": self.now - rng.randrange(10**6),
            "limit": rng.choice((0, 1, 100)),
        }
        return {name: member for name, member in whole.items() if rng.random() < (0.6 if name[0] in "k#" else 0.2)}
