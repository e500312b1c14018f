"""Devices in tests of the pipeline: proofs as a device's key signs them, and the way to an account with one."""

from __future__ import annotations

import json
from typing import Any

from nips.device_proof import make_device_proof
from tests.support.pipeline import Answer, Client, Json, Pipeline
from tests.support.wraps import drawn


def a_proof(bridge: Pipeline, device: Client, account: Client, *, away: int = 0, label: str = "") -> Json:
    """Return a device's proof as JSON, made so many seconds from now; another label makes another signature."""
    proof = make_device_proof(
        device.secret,
        account=account.key,
        bridge=bridge.key,
        created_at=bridge.clock.now() + away,
        aux=drawn(f"proof {label}"),
    )
    found: Json = json.loads(proof.to_json())
    return found


def registration(bridge: Pipeline, device: Client, account: Client, *, away: int = 0, **params: Any) -> Json:
    """Return the params that register a device."""
    proof = a_proof(bridge, device, account, away=away)
    return {"device_pubkey": device.key, "name": device.name, "proof": proof, **params}


async def register(
    bridge: Pipeline, device: Client, account: Client, *, by: Client | None = None, away: int = 0, **params: Any
) -> Answer:
    """Have an account register a device, by one that it has; each second gives one proof."""
    return await bridge.ask(
        by or account, "device.register", registration(bridge, device, account, away=away, **params)
    )
