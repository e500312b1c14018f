"""Defaults that fit together."""

from __future__ import annotations

from bridge.relay.limits import RelayLimits


def test_defaults_fit_together() -> None:
    limits = RelayLimits()
    assert limits.publish.max_event_bytes < limits.session.message.max_message_bytes
    assert limits.session.message.max_message_bytes < limits.server.max_unsent_bytes
    assert limits.query.default_limit <= limits.query.max_limit
    assert limits.publish.seen_seconds >= 2 * limits.publish.window.ephemeral_seconds
    assert limits.publish.replaceable_kinds.isdisjoint(limits.publish.ephemeral_kinds)
