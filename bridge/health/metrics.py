"""What Prometheus reads: figures that are kept anyway, put into its form when it asks.

Nothing is counted here, so that counting costs the pipeline no more than an addition. No label stands for an account or
anything else that callers choose: labels are words of the contract, of the settings, or of this program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from bridge.conditions import Conditions
from bridge.tallies import RequestTallies
from client.status import RelayStatus

CONTENT_TYPE: Final = CONTENT_TYPE_PLAIN_0_0_4
PREFIX: Final = "switchboard_"


Values = Iterable[tuple[tuple[str, ...], int]]
"""Figures by the values of their labels."""


class Link(Protocol):
    """A connection to a relay that is not ours."""

    @property
    def status(self) -> RelayStatus:
        """How it goes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricSources:
    """Where the figures are."""

    version: str
    events: Callable[[], Mapping[str, int]]
    """Events of protocol.md §5 by name, those that did not occur with 0."""
    tallies: RequestTallies
    figures: Callable[[], Mapping[str, int]]
    """What is in memory at the moment, by name."""
    verdicts: Callable[[], Mapping[str, int]]
    """Events of the relay's clients, by the verdict on them."""
    provider_outcomes: Callable[[], Mapping[tuple[str, str], int]]
    """Questions to TURN providers, by provider and outcome."""
    links: Mapping[str, Link]
    storage_bytes: Callable[[], Mapping[str, int]]
    """Size of the database's files, by what they are."""
    conditions: Conditions


class Metrics:
    """All metrics of one bridge."""

    def __init__(self, sources: MetricSources) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        GCCollector(registry=self._registry)
        self._registry.register(_Figures(sources))

    def text(self) -> bytes:
        """Return them as Prometheus reads them."""
        return generate_latest(self._registry)


class _Figures(Collector):
    def __init__(self, sources: MetricSources) -> None:
        self._sources = sources

    def collect(self) -> Iterator[Metric]:
        """Yield each family as of now."""
        sources = self._sources
        yield _gauge("info", "Version of the program.", ("version",), [((sources.version,), 1)])
        yield _counter("events", "Events of the contract.", ("event",), _by_one(sources.events()))
        yield _durations(sources.tallies)
        yield _counter("dropped_wraps", "Wraps that hold no request for us.", (), [((), sources.tallies.dropped)])
        yield _counter("own_faults", "Requests that failed by our fault.", (), [((), sources.tallies.own_faults)])
        yield _counter("relay_events", "Events of clients, by verdict.", ("verdict",), _by_one(sources.verdicts()))
        yield _counter(
            "provider_requests",
            "Questions to TURN providers.",
            ("provider", "outcome"),
            sources.provider_outcomes().items(),
        )
        yield _gauge("in_memory", "What is in memory, by kind.", ("kind",), _by_one(sources.figures()))
        yield _gauge("storage_bytes", "Size of the database's files.", ("file",), _by_one(sources.storage_bytes()))
        yield from _links(sources.links)
        yield from _conditions(sources.conditions)


def _links(links: Mapping[str, Link]) -> Iterator[Metric]:
    statuses = {(url,): link.status for url, link in links.items()}
    connected = {url: int(status.connected_since is not None) for url, status in statuses.items()}
    yield _gauge("upstream_connected", "Whether a relay that is not ours is linked.", ("relay",), connected.items())
    waiting = {url: status.unanswered for url, status in statuses.items()}
    yield _gauge("upstream_unanswered", "Events that wait for its verdict.", ("relay",), waiting.items())


def _conditions(conditions: Conditions) -> Iterator[Metric]:
    down = conditions.down
    problems = {(part,): 2 if part in down else 1 for part in conditions.problems}
    yield _gauge("problem", "Parts in trouble: 1 degraded, 2 down.", ("part",), problems.items())


def _durations(tallies: RequestTallies) -> HistogramMetricFamily:
    family = HistogramMetricFamily(
        f"{PREFIX}request_seconds", "From the arrival of a request to its answer.", labels=("method", "outcome")
    )
    for labels, durations in tallies.durations.items():
        buckets = [("+Inf" if bound == float("inf") else str(bound), count) for bound, count in durations.up_to()]
        family.add_metric(labels, buckets, durations.total_seconds)
    return family


def _counter(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = CounterMetricFamily(f"{PREFIX}{name}", meaning, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _gauge(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    family = GaugeMetricFamily(f"{PREFIX}{name}", meaning, labels=labels)
    for key, value in values:
        family.add_metric(key, value)
    return family


def _by_one(values: Mapping[str, int]) -> Values:
    return [((name,), value) for name, value in values.items()]
