"""One parser, or one side's whole session, under `atheris`, which watches the branches that its cases take.

    python -m tests.fuzz.guided TARGET SECONDS FOLDER

The folder gets the case that broke a rule. What `libFuzzer` cannot guess, keys and check sums, is put around its bytes;
half of its steps are those of our own mutator, which knows what JSON and frames look like.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from random import Random
from typing import Any, Final

try:
    import atheris
except ImportError:  # there are wheels for Linux on x86-64 only
    atheris = None

_IS_RUN = atheris is not None and __name__ == "__main__"

# What is imported in here has its branches watched.
with atheris.instrument_imports(include=["nips", "client", "bridge", "protocol"]) if _IS_RUN else nullcontext():
    from bridge.relay.addresses import Origin
    from bridge.relay.limits import AddressLimits, SessionLimits
    from bridge.relay.rates import per_second
    from bridge.relay.session import Authenticated, Moment, Reply, Session
    from bridge.relay.visibility import ReadProtection
    from tests.fuzz import links, sealing
    from tests.fuzz.cases import a_case
    from tests.fuzz.frames import Speaker
    from tests.fuzz.guests import Guest, House, check_refusal_words
    from tests.fuzz.judging import Target, examine
    from tests.fuzz.mutation import Mutator
    from tests.fuzz.parsers import CHALLENGE, PARSERS, RELAY

from tests.support.wraps import BRIDGE, NOW

IS_INSTALLED: Final = atheris is not None

SEEDS: Final = 40
"""Cases of our own that a run begins with."""
LONGEST: Final = 4096

_PLENTY: Final = per_second(1_000_000, burst=1_000_000)


def receive_frames(case: str) -> None:
    """Say each line to a relay's session, as a client would, and judge what it answers by itself."""
    session = Session(
        challenge=CHALLENGE,
        relay_urls=[RELAY],
        protection=ReadProtection(BRIDGE.public_key, False),
        limits=SessionLimits(events=_PLENTY, queries=_PLENTY),
        origin=Origin("192.0.2.1", AddressLimits(events=_PLENTY, queries=_PLENTY)),
    )
    guest = Guest(House())
    guest.hears(session.greet())
    for line in case.split("\n"):
        guest.says(line)
        for action in session.receive(line, Moment(NOW, 0)):
            if isinstance(action, Reply | Authenticated):
                guest.hears(action.text)
        if session.farewell is not None:
            check_refusal_words(f"invalid: {session.farewell.reason}")
            break


def receive_messages(case: str) -> None:
    """Say each line to a client's link, as a relay would."""
    talk = links.a_talk(number=2)
    for line in case.split("\n"):
        talk.hears_raw(line)
        links.check_facts(talk)
        if talk.link.is_hopeless:
            talk.opens()
    links.check_good_event(talk)


SESSIONS: Final = {
    "session": Target("session", receive_frames, ()),
    "link": Target("link", receive_messages, ()),
}
TARGETS: Final = {**PARSERS, **SESSIONS}


def a_seed(name: str, number: int) -> str:
    """Return something good or nearly so, without what it is dressed in."""
    mutator = Mutator(Random(f"guided/{name}/{number}"))
    if name == "session":
        speaker = Speaker(mutator, "guest", challenge=CHALLENGE, relay_url=RELAY)
        return "\n".join(frame for frame in (speaker.frame() for _ in range(6)) if isinstance(frame, str))
    if name == "link":
        return "\n".join(a_case("relay-message", seed=0, number=6 * number + line) for line in range(6))
    if name == "seal":
        return sealing.compact(sealing.a_seal(sealing.encrypted('{"kind":1}', sealing.OF_SEAL)))
    if name == "rumor":
        return sealing.compact(sealing.a_rumor("{}"))
    if name == "padded-payload":
        return sealing.padded(b"x" * (1 + number)).decode("latin-1")
    return a_case(name, seed=0, number=number)


def run_one(target: Target, data: bytes) -> None:
    """Dress a fuzzer's bytes as a case and have it read."""
    examine(target, target.dressed(data.decode("utf-8", "replace")))


def mutated(name: str, data: bytes, seed: int) -> bytes:
    """Return bytes with one of our own changes."""
    mutator = Mutator(Random(seed))
    text = data.decode("utf-8", "replace")
    if name in SESSIONS and mutator.is_so(0.5):
        return f"{text}\n{a_seed(name, seed % 1000)}".encode("utf-8", "replace")
    try:
        text = mutator.rendered(mutator.changed(json.loads(text)))
    except (ValueError, RecursionError):
        text = mutator.text(text)
    return text.encode("utf-8", "replace")


def fuzz(name: str, *, seconds: int, folder: Path) -> None:
    """Run one target for so long; the process ends with it, with a status of its own when something was found."""
    corpus = folder / "corpus" / name
    corpus.mkdir(parents=True, exist_ok=True)
    for number in range(SEEDS):
        (corpus / f"seed-{number}").write_bytes(a_seed(name, number).encode("utf-8", "replace"))

    def mutate(data: bytes, max_size: int, seed: int) -> bytes:
        if seed % 2:
            return bytes(atheris.Mutate(data, len(data)))
        return mutated(name, data, seed)[:max_size]

    options = {
        "max_total_time": seconds,
        "max_len": LONGEST,
        "timeout": 20,
        "rss_limit_mb": 1024,
        "artifact_prefix": f"{folder}/{name}-",
        "print_final_stats": 1,
        "verbosity": 0,
    }
    arguments = [sys.argv[0], *(f"-{option}={value}" for option, value in options.items()), str(corpus)]
    one: Callable[[bytes], None] = lambda data: run_one(TARGETS[name], data)  # noqa: E731
    extra: dict[str, Any] = {"custom_mutator": mutate}
    atheris.Setup(arguments, one, **extra)
    atheris.Fuzz()


if __name__ == "__main__":
    if not IS_INSTALLED:
        sys.exit("atheris is not installed: scripts/setup.sh fuzz")
    fuzz(sys.argv[1], seconds=int(sys.argv[2]), folder=Path(sys.argv[3]))
