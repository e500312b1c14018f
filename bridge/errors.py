"""Everything that the bridge itself can say no with.

    BridgeError
    ├── StartupError            the program does not start; the text names the fix
    ├── SealingFailed           opening or sealing did not happen; the same may well work later
    ├── Dropped                 a wrap that gets no answer at all; the reason is for the log
    └── Refusal                 an answer to a request, as an error
        ├── InvalidRequest      something about the request is wrong; `field` points at it
        │   ├── MalformedRequest    the envelope, before any method is known
        │   └── DeviceProofInvalid  the event by which a device's key asks to join
        ├── Expired             the request is too old, or past its own deadline
        ├── Conflict            the id was used for another request
        ├── UnknownMethod
        ├── Unauthorized
        ├── PowRequired         a new account costs work on the wrap (NIP-13) at this time; `bits` of it
        ├── Forbidden
        ├── RateLimited         no permit left; `wait_ms` until there is one
        ├── ProviderFailed      a TURN provider did not deliver; `http_status` where there was one
        │   └── NoProvider          there is none, by the operator's choice
        ├── DeviceProofUsed     it counted once already
        ├── DeviceTaken         the key acts for another account
        ├── DeviceLimit         the account has as many devices as it may have
        ├── DeviceUnknown       the account has no such device
        ├── DevicePrimary       the account's own key is not revoked
        ├── Unavailable         not now
        │   └── Full                nobody new gets an account, by the operator's choice
        └── Internal            a fault of ours

Which code of the catalogue stands for which class is data: `CODES` below, and each method's own codes. Facts carried by
an instance go to the log; only `field`, the bits and the wait reach the wire.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar

from protocol.catalogue import Method
from storage.account_interface import EffectRefusal


class BridgeError(Exception):
    """Root of the bridge's own errors."""


class StartupError(BridgeError):
    """The program cannot start; the text tells the operator what to change."""


class SealingFailed(BridgeError):
    """A wrap was neither opened nor made, for a reason that is not in it: the same thing may well work later."""


class Dropped(BridgeError):
    """A wrap that is let go without a sign (protocol.md §1 step 6)."""


class Refusal(BridgeError):
    """A request is answered with an error."""

    own_code: ClassVar[str | None] = None
    """Name of the entry of a method's codes that takes the place of the bridge-wide code."""
    outcome: ClassVar[str | None] = None
    """What it counts as where its code stands for a fault of ours and this is none."""

    @property
    def payload(self) -> dict[str, object]:
        """Facts for the event that operators count."""
        return {}


class InvalidRequest(Refusal):
    """Something about a request is wrong."""

    own_code: ClassVar[str | None] = "invalid"

    def __init__(self, field: str | None) -> None:
        super().__init__(field)
        self.field = field


class MalformedRequest(InvalidRequest):
    """The envelope is wrong, before any method is known."""

    own_code = None


class DeviceProofInvalid(InvalidRequest):
    """The proof of a device's key proves nothing here and now."""

    own_code = None


class Expired(Refusal):
    """A request is older than we answer, or past its own deadline."""


class Conflict(Refusal):
    """An id was used before, for another request."""


class UnknownMethod(Refusal):
    """No such method here."""


class Unauthorized(Refusal):
    """The key may not call this method."""

    own_code = "unauthorized"


class PowRequired(Refusal):
    """The same request is answered in a wrap that carries work."""

    def __init__(self, bits: int) -> None:
        super().__init__(bits)
        self.bits = bits


class Forbidden(Refusal):
    """The operator blocked the account."""


class RateLimited(Refusal):
    """No permit left."""

    own_code = "rate_limited"

    def __init__(self, limiter: str, wait_ms: int) -> None:
        super().__init__(limiter)
        self.limiter = limiter
        self.wait_ms = wait_ms


class ProviderFailed(Refusal):
    """No TURN provider delivered credentials."""

    def __init__(self, http_status: int | None, reason: str) -> None:
        super().__init__(reason)
        self.http_status = http_status

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well succeed at once: the network or the provider's own fault was in the way."""
        return self.http_status is None or self.http_status >= 500

    @property
    def payload(self) -> dict[str, object]:
        """The status of the last provider's reply, if there was one."""
        return {"http_status": self.http_status}


class NoProvider(ProviderFailed):
    """There is no TURN provider, and something was asked that needs one."""

    outcome: ClassVar[str | None] = "no_provider"

    def __init__(self) -> None:
        super().__init__(None, "no TURN provider, and without one nothing hides the peers from each other")


class DeviceProofUsed(Refusal):
    """The proof of a device's key counted once already."""


class DeviceTaken(Refusal):
    """The key acts for another account, or is an account with devices of its own."""


class DeviceLimit(Refusal):
    """The account has as many devices as it may have."""


class DeviceUnknown(Refusal):
    """The account has no such device."""


class DevicePrimary(Refusal):
    """The account's own key is not revoked."""


class Unavailable(Refusal):
    """The bridge cannot answer now, but will again."""


class Full(Unavailable):
    """There are as many accounts as there may be."""

    outcome: ClassVar[str | None] = "full"

    def __init__(self) -> None:
        super().__init__("max_accounts reached")


class Internal(Refusal):
    """A fault of ours that nobody outside needs to know about."""


EFFECT_REFUSALS: Mapping[EffectRefusal, type[Refusal]] = MappingProxyType(
    {
        EffectRefusal.PROOF_USED: DeviceProofUsed,
        EffectRefusal.TAKEN: DeviceTaken,
        EffectRefusal.LIMIT: DeviceLimit,
        EffectRefusal.UNKNOWN: DeviceUnknown,
        EffectRefusal.PRIMARY: DevicePrimary,
    }
)
"""The refusal for each reason why what a request would change cannot be; those without one are faults of ours."""

CODES: Mapping[type[Refusal], str] = {
    InvalidRequest: "BRIDGE_INVALID_REQUEST",
    MalformedRequest: "BRIDGE_INVALID_REQUEST",
    Expired: "BRIDGE_EXPIRED",
    Conflict: "BRIDGE_CONFLICT",
    UnknownMethod: "BRIDGE_UNKNOWN_METHOD",
    Unauthorized: "BRIDGE_UNAUTHORIZED",
    PowRequired: "BRIDGE_POW_REQUIRED",
    Forbidden: "BRIDGE_FORBIDDEN",
    RateLimited: "BRIDGE_RATE_LIMITED",
    ProviderFailed: "CALL_RELAY_PROVIDER_ERROR",
    NoProvider: "CALL_RELAY_PROVIDER_ERROR",
    DeviceProofInvalid: "DEVICE_PROOF_INVALID",
    DeviceProofUsed: "DEVICE_PROOF_USED",
    DeviceTaken: "DEVICE_TAKEN",
    DeviceLimit: "DEVICE_LIMIT",
    DeviceUnknown: "DEVICE_UNKNOWN",
    DevicePrimary: "DEVICE_PRIMARY",
    Unavailable: "BRIDGE_UNAVAILABLE",
    Full: "BRIDGE_UNAVAILABLE",
    Internal: "BRIDGE_INTERNAL",
}
"""The code of each refusal, unless the method has its own."""


def code_of(refusal: Refusal, method: Method | None) -> str:
    """Return the catalogue code of a refusal, given the method that was asked for, where that is known."""
    if method is not None and refusal.own_code is not None:
        return str(getattr(method.codes, refusal.own_code))
    return CODES[type(refusal)]
