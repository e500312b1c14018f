"""Tables about how the bridge is: metrics for machines, notices for the operator."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings import forms
from bridge.settings.keys import choice, number, text


@dataclass(frozen=True, slots=True)
class MetricsSettings:
    """Metrics and health over HTTP."""

    enabled: bool = choice(True, "Serve /metrics, /healthz and /readyz, without TLS and without asking who reads.")
    host: str = text("127.0.0.1", "Address to listen on; 0.0.0.0 or :: for all.", form=forms.host)
    port: int = number(9447, "Port to listen on; 0: any that is free.", least=0, most=65535)
    max_connections: int = number(16, "Connections at once; further ones are dropped.", least=1, most=10_000)


@dataclass(frozen=True, slots=True)
class NoticeSettings:
    """Messages to the operator when something is wrong, and when it is over."""

    operator: str = text("", "Key (npub or hex) that is told; empty: nobody.", form=forms.optional_account_key)
    window_seconds: int = number(300, "Time over which failures are counted.", least=10, most=86400)
    fault_percent: float = number(
        5, "Share of requests that fail by our fault, above which it is told.", least=0, most=100
    )
    least_requests: int = number(20, "Requests below which a share says nothing.", least=1, most=1_000_000)
    delay_seconds: int = number(
        60,
        "Time for which something is down before it is told: what mends itself sooner is in the log.",
        least=0,
        most=86400,
    )
    calm_seconds: int = number(
        600,
        "Time for which all must be well before it is told that it is; longer each time that trouble comes back soon.",
        least=1,
        most=86400,
    )
