"""Tables about requests and their answers: inbox, replies."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings.keys import number


@dataclass(frozen=True, slots=True)
class InboxSettings:
    """Requests that wait for their answer."""

    max_age_seconds: int = number(172_800, "Oldest request that is answered.", least=60, most=31_536_000)
    max_future_seconds: int = number(900, "How far ahead of our clock a request's time may be.", least=0, most=86400)
    max_waiting: int = number(
        10_000,
        "Requests that may wait, beyond which wraps for the bridge are refused; and wraps without an answer that are "
        "remembered.",
        least=1,
        most=10_000_000,
    )
    concurrency: int = number(64, "Requests that are worked on at once.", least=1, most=10_000)
    stranger_concurrency: int = number(
        16,
        "The same for wraps from connections that proved the key of no account; one while accounts ask and most of"
        " those come to nothing.",
        least=1,
        most=10_000,
    )
    concurrency_each: int = number(
        16, "Requests of one key that are worked on at once; further ones wait.", least=1, most=10_000
    )
    max_waiting_each: int = number(
        1000, "Requests of one key that wait for that; further ones are refused.", least=1, most=10_000_000
    )
    keep_after_seconds: float = number(
        0.5,
        "Time after which a request that is still being worked on is written down and acknowledged; what is answered "
        "sooner is acknowledged with its answer, at half the cost.",
        least=0,
        most=10,
    )
    stranger_patience_seconds: float = number(
        5,
        "How long a wrap may wait for its turn that came on a connection that proved the key of no account; then it is"
        " refused.",
        least=0.1,
        most=60,
    )
    deadline_seconds: float = number(
        15, "Time for one request; then it is answered with an error.", least=0.1, most=600
    )
    max_known_senders: int = number(
        10_000,
        "Senders for whom a secret is kept in memory that makes their next request cheaper; 0: for none.",
        least=0,
        most=10_000_000,
    )
    workers: int = number(
        0,
        "Processes that open requests and seal answers, for more than one core; 0: the bridge itself does it.",
        least=0,
        most=256,
    )
    max_waiting_each_worker: int = number(
        64, "Wraps that one worker has to open or seal at once; further ones wait in the bridge.", least=1, most=10_000
    )
    worker_timeout_seconds: float = number(
        30,
        "Time after which a worker that answers nothing is replaced, and a wrap that finds no worker is tried later.",
        least=1,
        most=600,
    )


@dataclass(frozen=True, slots=True)
class ReplySettings:
    """Answers on their way to the asker."""

    retention_seconds: int = number(604_800, "How long a stored answer waits for its asker.", least=60, most=31_536_000)
    free_retention_seconds: int = number(
        3600, "The same for an answer that took no permit, a refusal or a repeat.", least=60, most=31_536_000
    )
    live_seconds: int = number(60, "How long delivery of a live answer is tried.", least=1, most=3600)
    max_live_waiting: int = number(
        10_000,
        "Live answers that wait for their askers in memory; beyond that the oldest wait in the database only.",
        least=1,
        most=1_000_000,
    )
    max_live_waiting_each: int = number(100, "The same for one asker.", least=1, most=1_000_000)
    backdate_max_seconds: int = number(
        172_800, "How far back the outer time of a stored answer is moved at most, at random.", least=0, most=172_800
    )
