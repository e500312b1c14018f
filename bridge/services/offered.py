"""Which methods a bridge offers at the moment: some only while the settings give them what they hand out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bridge.services.service import Service


class OfferedServices(Mapping[str, Service]):
    """The services that are offered now, by method."""

    def __init__(self, services: Mapping[str, Service], conditions: Mapping[str, Callable[[], bool]]) -> None:
        """Take all there are, and for some of them what tells whether they are offered."""
        self._services = services
        self._conditions = conditions

    def __getitem__(self, method: str) -> Service:
        service = self._services[method]
        if not self._is_offered(method):
            raise KeyError(method)
        return service

    def __iter__(self) -> Iterator[str]:
        return filter(self._is_offered, self._services)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _is_offered(self, method: str) -> bool:
        return self._conditions.get(method, _always)()


def _always() -> bool:
    return True
