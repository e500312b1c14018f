"""What the relay says about itself: its NIP-11 document, made of the limits that it really has."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.relay.limits import RelayLimits
from nips import kinds
from nips.keys import PublicKey
from nips.nip11 import Limitation, RelayInformation

SUPPORTED_NIPS = (1, 9, 11, 17, 40, 42, 45, 59, 62, 67, 70)

# Those that count only under some settings.
_WORK, _RELAY_LISTS = 13, 65


@dataclass(frozen=True, slots=True)
class RelayProfile:
    """The part of the document that an operator writes; empty texts are left out."""

    name: str = ""
    description: str = ""
    contact: str = ""
    version: str = ""


def relay_information(profile: RelayProfile, limits: RelayLimits, *, bridge: PublicKey) -> RelayInformation:
    """Return the document; `self` is the bridge's key, so that clients find whom to ask."""
    return RelayInformation(
        name=profile.name,
        description=profile.description,
        self=bridge,
        contact=profile.contact,
        supported_nips=_supported_nips(limits),
        version=profile.version,
        limitation=Limitation(
            max_message_length=limits.session.message.max_message_bytes,
            max_subscriptions=limits.session.max_subscriptions,
            max_limit=limits.query.max_limit,
            default_limit=limits.query.default_limit,
            max_subid_length=limits.session.message.max_subscription_id,
            max_event_tags=limits.publish.max_event_tags,
            max_content_length=limits.publish.max_content_length,
            min_pow_difficulty=limits.publish.min_pow_difficulty,
            # False says that something can be done before AUTH, not that everything can (NIP-11).
            auth_required=False,
            payment_required=False,
            # Only some kinds are taken.
            restricted_writes=True,
            # Of the kind with the widest window, since NIP-11 has none for each: outside of it nothing is taken.
            created_at_lower_limit=limits.publish.widest_window.past_seconds,
            created_at_upper_limit=limits.publish.widest_window.future_seconds,
        ),
    )


def _supported_nips(limits: RelayLimits) -> tuple[int, ...]:
    given = {
        _WORK: limits.publish.min_pow_difficulty > 0,
        _RELAY_LISTS: kinds.RELAY_LIST in limits.publish.replaceable_kinds,
    }
    return tuple(sorted([*SUPPORTED_NIPS, *(nip for nip, is_given in given.items() if is_given)]))
