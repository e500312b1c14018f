"""What protocol.md says of refusals, written down apart from the catalogue that it is compared with."""

from __future__ import annotations

STATUSES = {
    "BRIDGE_INVALID_REQUEST": 400,
    "BRIDGE_UNAUTHORIZED": 401,
    "BRIDGE_POW_REQUIRED": 402,
    "BRIDGE_FORBIDDEN": 403,
    "BRIDGE_UNKNOWN_METHOD": 404,
    "BRIDGE_CONFLICT": 409,
    "BRIDGE_EXPIRED": 410,
    "BRIDGE_RATE_LIMITED": 429,
    "BRIDGE_INTERNAL": 500,
    "BRIDGE_UNAVAILABLE": 503,
    "DEVICE_PROOF_INVALID": 400,
    "DEVICE_PROOF_USED": 409,
    "DEVICE_TAKEN": 409,
    "DEVICE_LIMIT": 409,
    "DEVICE_UNKNOWN": 404,
    "DEVICE_PRIMARY": 409,
    "CALL_RELAY_UNAUTHORIZED": 401,
    "CALL_RELAY_RATE_LIMITED": 429,
    "CALL_RELAY_PROVIDER_ERROR": 500,
}
"""Status of every code."""

FIXED_TEXTS = {
    "CALL_RELAY_RATE_LIMITED": "Too many relay credential requests. Please wait before trying again.",
    "CALL_RELAY_UNAUTHORIZED": "Authentication required to obtain call relay credentials.",
    "CALL_RELAY_PROVIDER_ERROR": "Unable to obtain relay credentials at this time. Please try again.",
}
"""Word for word, because others fixed them (protocol.md §3)."""
