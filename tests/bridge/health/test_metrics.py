"""Figures as Prometheus reads them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from bridge.conditions import Conditions
from bridge.health.metrics import Metrics, MetricSources
from bridge.tallies import BOUNDS_SECONDS, RequestTallies
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy
from protocol.catalogue import load_catalogue

CATALOGUE = load_catalogue()
RELAY = "wss://relay.example"

Samples = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def samples(metrics: Metrics) -> Samples:
    """Return what a reader makes of the text, by name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def value(read: Samples, name: str, **labels: str) -> float:
    return read[f"switchboard_{name}", frozenset(labels.items())]


class Sources:
    """Figures that a test sets."""

    def __init__(self) -> None:
        self.tallies = RequestTallies(CATALOGUE)
        self.events: Counter[str] = Counter()
        self.conditions = Conditions()
        self.verdicts: Counter[str] = Counter()
        self.providers: Counter[tuple[str, str]] = Counter()
        link = RelayConnection(RELAY, keys=[], clock=SystemClock(), entropy=SystemEntropy())
        self.metrics = Metrics(
            MetricSources(
                version="1.2.3",
                events=lambda: dict.fromkeys(CATALOGUE.events, 0) | self.events,
                tallies=self.tallies,
                figures=lambda: {"connections": 7},
                verdicts=lambda: self.verdicts,
                provider_outcomes=lambda: self.providers,
                links={RELAY: link},
                storage_bytes=lambda: {"database": 4096, "log": 0},
                conditions=self.conditions,
            )
        )

    def read(self) -> Samples:
        return samples(self.metrics)


def test_every_event_of_the_contract_is_there_before_it_occurs() -> None:
    sources = Sources()
    read = sources.read()
    assert [value(read, "events_total", event=name) for name in CATALOGUE.events] == [0] * len(CATALOGUE.events)
    sources.events["call_relay.rate_limited"] += 3
    assert value(sources.read(), "events_total", event="call_relay.rate_limited") == 3


def test_requests_are_a_histogram_by_method_and_outcome() -> None:
    sources = Sources()
    for seconds in (0.002, 0.2, 100.0):
        sources.tallies.end("bridge.info", "ok", seconds)
    sources.tallies.end("bridge.info", "BRIDGE_INTERNAL", 0.5)
    read = sources.read()
    labels = {"method": "bridge.info", "outcome": "ok"}
    assert value(read, "request_seconds_count", **labels) == 3
    assert value(read, "request_seconds_sum", **labels) == 100.202
    assert value(read, "request_seconds_bucket", le="0.0025", **labels) == 1
    assert value(read, "request_seconds_bucket", le="30.0", **labels) == 2
    assert value(read, "request_seconds_bucket", le="+Inf", **labels) == 3
    assert value(read, "request_seconds_count", method="bridge.info", outcome="BRIDGE_INTERNAL") == 1
    assert value(read, "own_faults_total") == 1


def test_gauges_are_as_of_now() -> None:
    sources = Sources()
    sources.verdicts.update(["accepted", "accepted", "invalid"])
    sources.providers[("coturn", "granted")] += 2
    sources.conditions.set("turn", "gone", is_down=True)
    sources.conditions.set("turn.static", "slow")
    sources.tallies.drop()
    read = sources.read()
    assert value(read, "info", version="1.2.3") == 1
    assert value(read, "in_memory", kind="connections") == 7
    assert value(read, "storage_bytes", file="database") == 4096
    assert value(read, "relay_events_total", verdict="accepted") == 2
    assert value(read, "provider_requests_total", provider="coturn", outcome="granted") == 2
    assert value(read, "problem", part="turn") == 2
    assert value(read, "problem", part="turn.static") == 1
    assert value(read, "dropped_wraps_total") == 1
    assert value(read, "upstream_connected", relay=RELAY) == 0
    assert read["process_resident_memory_bytes", frozenset()] > 0
    sources.conditions.set("turn", None)
    assert ("switchboard_problem", frozenset({("part", "turn")})) not in sources.read()


def test_series_are_bounded_whatever_callers_ask() -> None:
    sources = Sources()
    for number in range(10_000):
        sources.tallies.end(f"method-{number}", f"code-{number}", 0.1)
    series = [labels for name, labels in sources.read() if name == "switchboard_request_seconds_bucket"]
    assert len(series) == len(BOUNDS_SECONDS) + 1


def test_two_bridges_of_one_process_have_metrics_of_their_own() -> None:
    one, other = Sources(), Sources()
    one.events["call_relay.rate_limited"] += 1
    assert value(other.read(), "events_total", event="call_relay.rate_limited") == 0
