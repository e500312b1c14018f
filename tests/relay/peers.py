"""What relays that others wrote are known to fail, and why: the suite can fail, and it fails for reasons.

Each list is what was found with the version that is locked; a peer that gets better, or a check that gets worse, shows
as a difference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, eq=False)
class Peer:
    """A relay, and what is known about it."""

    name: str
    passed: int
    """How many checks it passes, the unsteady ones included."""
    failures: Mapping[str, Sequence[str]]
    """Names of checks by the reason why they fail."""
    unsteady: Mapping[str, Sequence[str]]
    """The same for those that fail in some runs only."""


LOCAL_RELAY = Peer(
    "nostr-sdk LocalRelay",
    passed=140,
    failures={
        "hex is decoded before it is compared, so other spellings of an id are taken and found": [
            "nip01.event.hex_of_another_length_is_refused",
            "nip01.event.upper_case_hex_is_refused",
            "nip01.filter.upper_case_hex_finds_nothing",
        ],
        "a REQ or COUNT that cannot be read is answered with a NOTICE, not with CLOSED": [
            "nip01.filter.condition_of_another_type_finds_nothing",
            "nip01.filter.filter_that_is_no_object_is_refused",
            "nip01.filter.part_of_an_id_finds_nothing",
            "nip01.frame.refused_request_is_closed_with_a_prefix",
            "nip45.count.refusal_is_closed_with_a_prefix",
        ],
        "empty lists and unknown keys of a filter are left out": [
            "nip01.filter.empty_list_finds_nothing",
            "nip01.filter.unknown_condition_is_not_left_out",
        ],
        "subscription ids are not measured": [
            "nip01.sub.id_that_is_empty_or_no_string_is_refused",
            "nip01.sub.id_that_is_too_long_is_refused",
        ],
        "a REQ that repeats an open one brings no stored events": [
            "nip01.sub.replacing_request_brings_its_stored_events",
        ],
        "COUNT looks at one filter": [
            "nip45.count.filters_are_ored_and_nothing_counts_twice",
        ],
        "a deletion deletes deletions, and is forgotten once it is carried out": [
            "nip09.deletion.deletion_of_a_deletion_has_no_effect",
            "nip09.deletion.deletion_that_comes_first_holds",
        ],
        "only the author of a wrap may delete it": [
            "nip09.deletion.recipient_deletes_a_wrap",
        ],
        "a request to vanish counts only when it is for ALL_RELAYS: the relay does not know its own URL": [
            "nip62.vanish.deleted_events_do_not_come_back",
            "nip62.vanish.deletion_requests_vanish_too",
            "nip62.vanish.everything_of_the_key_is_deleted",
            "nip62.vanish.request_cannot_be_taken_back",
            "nip62.vanish.wraps_to_the_key_are_deleted",
        ],
        "gift wraps are for everybody unless auth_dm is switched on": [
            "nip59.live.ephemeral_kind_is_not_shown_without_auth",
            "nip59.live.stored_kind_is_not_shown_without_auth",
            "nip59.read.among_other_kinds_needs_the_recipient",
            "nip59.read.by_author_and_kind_needs_the_recipient",
            "nip59.read.by_author_needs_the_recipient",
            "nip59.read.by_everything_needs_the_recipient",
            "nip59.read.by_id_and_kind_needs_the_recipient",
            "nip59.read.by_id_needs_the_recipient",
            "nip59.read.by_kind_needs_the_recipient",
            "nip59.read.by_limit_alone_needs_the_recipient",
            "nip59.read.by_recipient_and_kind_needs_the_recipient",
            "nip59.read.by_recipient_needs_the_recipient",
            "nip59.read.count_does_not_tell",
            "nip59.read.without_kinds_needs_the_recipient",
        ],
    },
    unsteady={
        "a live event can overtake the answer that holds it": [
            "nip01.sub.nothing_is_repeated_between_stored_and_live",
        ],
    },
)

PROTECTED_LOCAL_RELAY = Peer(
    "nostr-sdk LocalRelay with auth_dm",
    passed=59,
    failures={
        "a REQ or COUNT that cannot be read is answered with a NOTICE, not with CLOSED": [
            "nip01.filter.filter_that_is_no_object_is_refused",
            "nip01.frame.refused_request_is_closed_with_a_prefix",
            "nip45.count.refusal_is_closed_with_a_prefix",
        ],
        "subscription ids are not measured": [
            "nip01.sub.id_that_is_empty_or_no_string_is_refused",
            "nip01.sub.id_that_is_too_long_is_refused",
        ],
        "only the author of a wrap may delete it": [
            "nip09.deletion.recipient_deletes_a_wrap",
        ],
        "a challenge is used up by the first AUTH": [
            "nip42.auth.same_key_again_is_ok",
            "nip42.auth.several_keys_hold_on_one_connection",
        ],
        "who proved another key is told `error:`": [
            "nip42.auth.prefix_tells_unproved_from_unentitled",
        ],
        "a REQ for wraps must name its reader in `#p`": [
            "nip59.read.recipient_finds_a_wrap_through_every_door",
        ],
        "auth_dm says nothing of kind 21059": [
            "nip59.live.ephemeral_kind_is_not_shown_to_another_key",
            "nip59.live.ephemeral_kind_is_not_shown_without_auth",
        ],
    },
    unsteady={},
)

NOSTR_RELAY = Peer(
    "nostr-relay on SQLite",
    passed=100,
    failures={
        "an id is computed anew, so a false or missing one is taken and what it names is stored": [
            "nip01.event.hex_of_another_length_is_refused",
            "nip01.event.missing_field_is_refused",
            "nip01.event.upper_case_hex_is_refused",
            "nip01.event.wrong_id_is_refused",
            "nip01.filter.upper_case_hex_finds_nothing",
        ],
        "fields are not looked at for their types and ranges": [
            "nip01.event.fraction_for_an_integer_is_refused",
            "nip01.event.kind_out_of_range_is_refused",
            "nip01.event.tags_of_another_form_are_refused",
            "nip01.event.unknown_field_is_overlooked",
            "nip01.json.field_that_comes_twice_is_refused",
        ],
        "an event that is not taken is answered with OK for an empty id": [
            "nip01.frame.prefix_of_a_refusal_is_a_standard_one",
            "nip01.frame.refusal_begins_with_a_prefix",
            "nip01.sub.refused_event_is_not_delivered",
        ],
        "its JSON reader and its hashing know fewer escapes": [
            "nip01.json.escaped_characters_are_the_same",
            "nip01.json.other_control_characters_are_kept",
        ],
        "a duplicate is OK false": [
            "nip01.event.duplicate_is_ok_true",
        ],
        "EOSE is put together without escapes": [
            "nip01.frame.subscription_id_comes_back_as_it_was",
        ],
        "frames that cannot be read end the connection": [
            "nip01.frame.binary_frame_is_survived",
            "nip01.frame.deep_nesting_is_survived",
            "nip01.frame.huge_numbers_are_survived",
            "nip42.auth.malformed_auth_is_survived",
        ],
        "`until` is exclusive, and one in the far future finds nothing": [
            "nip01.filter.filter_without_conditions_matches_all",
            "nip01.filter.since_and_until_are_inclusive",
            "nip01.filter.widest_window_finds_everything",
        ],
        "one limit and one order for all filters of a REQ": [
            "nip01.filter.equal_times_come_lowest_id_first",
            "nip01.filter.event_that_two_filters_match_comes_once",
            "nip01.filter.every_filter_has_its_own_limit",
            "nip01.sub.limit_zero_brings_live_events_only",
        ],
        "filters are not checked: what cannot be read is left out": [
            "nip01.filter.condition_of_another_type_finds_nothing",
            "nip01.filter.empty_list_finds_nothing",
            "nip01.filter.filter_that_is_no_object_is_refused",
            "nip01.filter.unknown_condition_is_not_left_out",
        ],
        "subscription ids are not measured": [
            "nip01.sub.id_that_is_empty_or_no_string_is_refused",
        ],
        "an older version, or one of the same second, is kept beside the newer one": [
            "nip01.kind.lowest_id_wins_a_tie_at_its_address",
            "nip01.kind.lowest_id_wins_a_tie_when_it_comes_first",
            "nip01.kind.lowest_id_wins_a_tie_when_it_comes_last",
            "nip01.kind.newer_replaces_older_at_its_address",
            "nip01.kind.older_does_not_replace_newer",
            "nip01.kind.replaceable_time_travels_no_further_than_its_author",
        ],
        "ephemeral events are stored, and cleared later": [
            "nip01.kind.ephemeral_event_is_not_stored",
            "nip59.ephemeral.ephemeral_wrap_is_not_stored",
        ],
        "a deletion is carried out once and forgotten, and knows `e` tags only": [
            "nip09.deletion.address_deletes_versions_up_to_the_request",
            "nip09.deletion.deleted_event_does_not_come_back",
            "nip09.deletion.deletion_of_a_deletion_has_no_effect",
            "nip09.deletion.deletion_that_comes_first_holds",
            "nip09.deletion.recipient_deletes_a_wrap",
        ],
        "its document is plain JSON with nulls, without a preflight": [
            "nip11.document.document_says_its_type",
            "nip11.document.fields_have_their_types",
            "nip11.document.preflight_is_answered",
        ],
        "expired events are cleared now and then, and served until then": [
            "nip40.expiration.event_is_not_served_after_its_expiration",
            "nip40.expiration.expired_event_is_not_taken",
            "nip40.expiration.wrap_is_not_served_after_its_expiration",
        ],
        "AUTH is answered with a NOTICE or not at all": [
            "nip42.auth.another_challenge_is_refused",
            "nip42.auth.another_kind_is_refused",
            "nip42.auth.another_relay_is_refused",
            "nip42.auth.another_time_is_refused",
            "nip42.auth.auth_event_is_never_delivered",
            "nip42.auth.challenge_outlives_a_refusal",
            "nip42.auth.false_id_or_signature_is_refused",
            "nip42.auth.good_auth_is_ok_true",
            "nip42.auth.missing_tag_is_refused",
            "nip42.auth.same_key_again_is_ok",
            "nip42.auth.several_keys_hold_on_one_connection",
            "nip42.auth.trailing_slash_is_the_same_relay",
        ],
        "it is from before gift wraps": [
            "nip59.live.ephemeral_kind_is_not_shown_without_auth",
            "nip59.live.stored_kind_is_not_shown_without_auth",
            "nip59.read.among_other_kinds_needs_the_recipient",
            "nip59.read.by_author_and_kind_needs_the_recipient",
            "nip59.read.by_author_needs_the_recipient",
            "nip59.read.by_everything_needs_the_recipient",
            "nip59.read.by_id_and_kind_needs_the_recipient",
            "nip59.read.by_id_needs_the_recipient",
            "nip59.read.by_kind_needs_the_recipient",
            "nip59.read.by_recipient_and_kind_needs_the_recipient",
            "nip59.read.by_recipient_needs_the_recipient",
            "nip59.read.recipient_finds_a_wrap_through_every_door",
            "nip59.read.second_recipient_opens_no_door",
            "nip59.read.without_kinds_needs_the_recipient",
            "nip59.wrap.wrap_without_a_recipient_is_shown_to_nobody",
        ],
        "it is from before protected events": [
            "nip70.protected.event_is_refused_without_auth",
            "nip70.protected.refused_event_is_not_delivered",
        ],
    },
    unsteady={
        "a REQ is answered when its query is done, so the proof that none was served may come first": [
            "nip01.sub.id_that_is_too_long_is_refused",
        ],
        "a live event can overtake the answer that holds it": [
            "nip01.sub.nothing_is_repeated_between_stored_and_live",
        ],
    },
)
