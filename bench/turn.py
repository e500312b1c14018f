"""`turn.get_credentials` end to end: a request goes in over a socket, its answer comes out over it, both durable.

The clients' work is done beforehand (requests wrapped) or afterwards (answers opened and counted), so that the clock
sees what the server does. Every request must be answered exactly once, with a result, or there is no figure.

The server has one core to itself and the load generator another. Two rates come of that. "By CPU time" divides the
requests by the seconds, user and system, that the server had of its core, in all its threads and child processes: it
leaves out what the disk makes it wait, and hardly minds what else the machine does. "By the wall clock" leaves nothing
out. Both stand beside the same bound, which waits for nothing.
"""

from __future__ import annotations

import json
import tempfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from bench import bound
from bench.channel import Channel, frame
from bench.figures import Better, Figure
from bench.load import Lane, drive
from bench.machine import Cores, cpu_seconds, pinned
from bench.program import Program
from bench.scope import Scope
from bench.stacks import cpu_by_thread
from bench.wraps import nostr_sdk_steps
from client.clock import SystemClock
from client.entropy import SystemEntropy, draw_key
from client.wrapping import wrap_rumor
from nips import kinds
from nips.event import parse_event, verify_event
from nips.keys import PublicKey, SecretKey
from nips.nip59 import make_rumor, open_wrap

METHOD = "turn.get_credentials"
CONNECTIONS = 8
WINDOW = 16
"""Unanswered requests on each."""
KNOWN = 64
"""Accounts that ask by turns, where they have asked before."""

SDK_STEPS = "nostr-sdk's unwrap and wrap, summed"
AIMS = {bound.BOTH: 0.4, SDK_STEPS: 5.0}

_CLOCK, _ENTROPY = SystemClock(), SystemEntropy()


@dataclass(frozen=True, slots=True)
class Rates:
    """How many requests were answered."""

    requests: int
    per_second: float
    """By the clock on the wall."""
    per_core_second: float
    """By the time that the server had of the cores."""
    parent_seconds: float
    """What one request took of them in the process that clients talk to, without those that it starts."""


@dataclass(frozen=True, slots=True)
class Case:
    """Who asks how."""

    kind: int
    is_known: bool = True
    """By an account that has asked before."""


CASES: Mapping[str, Case] = {
    "turn.get_credentials, live": Case(kinds.EPHEMERAL_GIFT_WRAP),
    "turn.get_credentials, stored": Case(kinds.GIFT_WRAP),
    "turn.get_credentials, live, each by a new account": Case(kinds.EPHEMERAL_GIFT_WRAP, is_known=False),
}


def measure(scope: Scope, cores: Cores) -> Iterator[Figure]:
    """Yield both rates of each case beside the bounds and beside nostr-sdk's steps."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        program = stack.enter_context(Program(folder / "home", cores=cores.measured))
        with pinned(cores.measured):
            sdk = stack.enter_context(nostr_sdk_steps())
        bounds = bound.both()
        limits: dict[str, list[float]] = {bound.BOTH: [], SDK_STEPS: []}
        taken: dict[str, list[Rates]] = {name: [] for name in CASES}
        for _ in range(scope.rounds):
            for name, case in CASES.items():
                taken[name].append(_ask(program, case, scope.requests))
            with pinned(cores.measured):
                limits[bound.BOTH].append(bounds(scope.seconds))
            limits[SDK_STEPS].append(sdk.both(scope.seconds))
    for name, rates in taken.items():
        yield from _beside(name, rates, {peer: median(values) for peer, values in limits.items()})


def _ask(program: Program, case: Case, requests: int) -> Rates:
    with askers(program, KNOWN if case.is_known else requests) as crowd:
        if case.is_known:
            crowd.run(KNOWN, kind=case.kind)
        return crowd.run(requests, kind=case.kind)


def _beside(name: str, rates: Sequence[Rates], limits: Mapping[str, float]) -> Iterator[Figure]:
    by_cpu = median(each.per_core_second for each in rates)
    by_wall = median(each.per_second for each in rates)
    for how, value in (("by CPU time", by_cpu), ("by the wall clock", by_wall)):
        for peer, limit in limits.items():
            yield Figure(f"{name}, {how}", value, "1/s per core", Better.HIGHER, peer, limit, AIMS[peer])


class Miscounted(Exception):
    """Something was answered never, twice, or with an error."""


@dataclass
class Asker:
    """One account on one connection, and which of its requests were answered how often."""

    secret: SecretKey
    channel: Channel
    answered: Counter[str] = field(default_factory=Counter)
    """By the id of the asking rumor."""
    asked: set[str] = field(default_factory=set)

    def request(self, bridge: PublicKey, kind: int) -> bytes:
        """Return the frame of a new request."""
        content = {"_v": "1.0.0", "id": _ENTROPY.draw(16).hex(), "method": METHOD, "params": {}}
        rumor = make_rumor(
            self.secret.public_key,
            created_at=_CLOCK.now(),
            kind=kinds.BRIDGE_REQUEST,
            tags=[],
            content=json.dumps(content, separators=(",", ":")),
        )
        self.asked.add(rumor.id)
        wrap = wrap_rumor(rumor, self.secret, bridge, kind=kind, clock=_CLOCK, entropy=_ENTROPY)
        return frame(f'["EVENT",{wrap.to_json()}]')

    def open(self, bridge: PublicKey, event: dict[str, object]) -> None:
        """Count an answer, which must be a result and the bridge's own."""
        response = open_wrap(verify_event(parse_event(event)), self.secret)
        if response.pubkey != bridge or "result" not in json.loads(response.content):
            raise Miscounted(f"not a result: {response.content}")
        self.answered[next(tag[1] for tag in response.tags if tag[0] == "e")] += 1


class Askers:
    """A crowd of clients, spread over a few connections."""

    def __init__(self, program: Program, askers: Sequence[Asker]) -> None:
        self._program = program
        self._askers = askers
        self._by_key = {asker.secret.public_key: asker for asker in askers}
        self.channels = list(dict.fromkeys(asker.channel for asker in askers))

    def run(self, amount: int, *, kind: int, seconds: float = 60.0, window: int = WINDOW) -> Rates:
        """Ask so many times, by turns, as long as the time suffices; count and check afterwards."""
        lanes = {channel: Lane(channel, deque(), window) for channel in self.channels}
        asking = [self._askers[number % len(self._askers)] for number in range(amount)]
        for asker in asking:
            lanes[asker.channel].frames.append(asker.request(self._program.public_key, kind))
        used, own = cpu_seconds(self._program.pid), sum(cpu_by_thread(self._program.pid).values())
        run = drive(list(lanes.values()), seconds=seconds, is_answer=_is_event)
        used, own = cpu_seconds(self._program.pid) - used, sum(cpu_by_thread(self._program.pid).values()) - own
        unsent = sum(len(lane.frames) for lane in lanes.values())
        for lane in lanes.values():
            self._check(lane)
        missing = sum(len(asker.asked - asker.answered.keys()) for asker in self._askers)
        if missing != unsent or any(times != 1 for asker in self._askers for times in asker.answered.values()):
            raise Miscounted(f"{missing - unsent} requests of {run.done} have no answer, or some have two")
        for asker in self._askers:
            asker.asked &= asker.answered.keys()
        return Rates(run.done, run.rate, run.done / used if used else run.rate, own / run.done)

    def _check(self, lane: Lane) -> None:
        messages = [json.loads(text) for text in lane.texts]
        # The run ends with the last answer, which may come before its request's OK.
        for _ in range(lane.sent - sum(message[0] == "OK" for message in messages)):
            messages.append(lane.channel.wait_for("OK"))
        accepted = 0
        for message in messages:
            match message:
                case ["OK", _, True, _]:
                    accepted += 1
                case ["EVENT", _, event]:
                    recipient = next(tag[1] for tag in event["tags"] if tag[0] == "p")
                    self._by_key[recipient].open(self._program.public_key, event)
                case _:
                    raise Miscounted(f"unexpected: {message}")
        if accepted != lane.sent:
            raise Miscounted(f"{lane.sent} requests, {accepted} times OK")


@contextmanager
def askers(program: Program, amount: int, *, connections: int = CONNECTIONS) -> Iterator[Askers]:
    """Connect so many clients, each of which has proved its key and listens for answers."""
    with ExitStack() as stack:
        channels = [stack.enter_context(Channel(program.url)) for _ in range(min(connections, amount))]
        crowd = [Asker(draw_key(_ENTROPY), channels[number % len(channels)]) for number in range(amount)]
        for channel in channels:
            secrets = [asker.secret for asker in crowd if asker.channel is channel]
            channel.prove(secrets)
            keys = [secret.public_key for secret in secrets]
            channel.say("REQ", "answers", {"kinds": [kinds.GIFT_WRAP, kinds.EPHEMERAL_GIFT_WRAP], "#p": keys})
            channel.wait_for("EOSE")
        yield Askers(program, crowd)


def _is_event(text: bytes) -> bool:
    return text.startswith(b'["EVENT"')
