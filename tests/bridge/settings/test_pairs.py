"""Settings that exclude each other."""

from __future__ import annotations

import pytest

from bridge.settings.pairs import PAIRS, impossible_pairs, value_of
from bridge.settings.problems import SettingsError
from bridge.settings.reading import parse_settings
from bridge.settings.tree import Settings

STATIC = '[turn]\nproviders = ["static"]\n[turn.static]\nurls = ["turn:a.org"]\n'
BOTH = (
    '[turn]\nproviders = ["static", "coturn"]\n[turn.static]\nurls = ["turn:a.org"]\n[turn.coturn]\nurls = ["turn:a"]\n'
)
EXPERIMENT = '[turn.experiment]\nname = "beta"\nurls = ["turn:beta.org"]\n'

IMPOSSIBLE = [
    ("[relay]\nmax_event_bytes = 131073\nmax_message_bytes = 131072", "relay.max_event_bytes"),
    ("[relay]\nevent_burst_bytes = 131071", "relay.max_message_bytes"),
    ("[relay]\nmax_message_bytes = 200000\nmax_unsent_bytes = 131072", "relay.max_message_bytes"),
    ("[relay]\nseen_seconds = 120\n[wraps]\nephemeral_window_seconds = 61", "relay.seen_seconds"),
    ("[relay]\ndefault_limit = 1001", "relay.default_limit"),
    ("[turn]\nttl_seconds = 86401", "turn.ttl_seconds"),
    ("[inbox]\ndeadline_seconds = 9", "turn.chain.deadline_seconds"),
    ("[turn.chain]\nprovider_seconds = 10.5", "turn.chain.provider_seconds"),
    ("[turn.names]\ntimeout_seconds = 6", "turn.chain.deadline_seconds"),
    ("[turn.names]\nmin_cache_seconds = 3601", "turn.names.min_cache_seconds"),
    (
        '[turn.coturn]\nurls = ["turn:192.0.2.1", "turn:[::1]"]\nurls_with_ips = ["turn:%s"]',
        "turn.coturn.hostname",
    ),
    (
        '[turn.static]\nurls = ["turn:192.0.2.1", "turn:[::1]"]\nurls_with_ips = ["turn:%s"]',
        "turn.static.hostname",
    ),
    (
        '[turn.experiment]\nurls = ["turn:192.0.2.1", "turn:[::1]"]\nurls_with_ips = ["turn:%s"]',
        "turn.experiment.hostname",
    ),
    ('[turn.experiment]\nname = "beta"\nshare = 10', "turn.experiment.urls"),
    ('[turn.experiment]\nname = "beta"\nhostname = "beta.org"', "turn.experiment.urls"),
    ('[turn.experiment]\nshare = 0.01\nurls = ["turn:beta.org"]', "turn.experiment.name"),
    (f'[turn.experiment]\nlisted = ["{"ab" * 32}"]\nurls = ["turn:beta.org"]', "turn.experiment.name"),
    (f'{EXPERIMENT}provider = "coturn"', "turn.experiment.provider"),
    (f'{STATIC}{EXPERIMENT}provider = "coturn"', "turn.experiment.provider"),
    (f"{BOTH}{EXPERIMENT}", "turn.experiment.provider"),
    ("[wraps]\nmax_past_seconds = 3600", "replies.backdate_max_seconds"),
    ("[upstream]\nbackoff_first_seconds = 2\nbackoff_max_seconds = 1.5", "upstream.backoff_first_seconds"),
    ("[inbox]\nmax_waiting = 63", "inbox.concurrency"),
    ("[storage]\nmax_queue = 499", "storage.max_batch"),
    ('[relay]\nhost = "0.0.0.0"', "bridge.public_url"),
    ('[relay]\nhost = "::"', "bridge.public_url"),
    ("[relay]\nport = 7000\n[metrics]\nport = 7000", "metrics.port"),
    ('[relay]\nport = 7000\n[metrics]\nhost = "0.0.0.0"\nport = 7000', "metrics.port"),
    ("[relay]\nport = 7000\n[turn.managed]\nport = 7000", "turn.managed.port"),
    (
        '[bridge]\npublic_url = "wss://r.org"\n[relay]\nhost = "::"\nport = 7000\n[turn.managed]\nport = 7000',
        "turn.managed.port",
    ),
    ("[metrics]\nport = 7000\n[turn.managed]\nport = 7000", "turn.managed.port"),
    ('[turn]\nproviders = ["coturn"]', "turn.coturn.urls"),
    ('[turn]\nproviders = ["static"]', "turn.static.urls"),
    ('[turn]\nproviders = ["cloudflare"]', "turn.cloudflare.key_id"),
    ('[turn]\nproviders = ["twilio"]', "turn.twilio.account_sid"),
    ('[turn]\nproviders = ["metered"]', "turn.metered.endpoint"),
    ('[turn]\nproviders = ["xirsys"]\n[turn.xirsys]\nident = "me"', "turn.xirsys.channel"),
    ('[turn]\nproviders = ["xirsys"]\n[turn.xirsys]\nchannel = "calls"', "turn.xirsys.ident"),
    (
        '[turn]\nproviders = ["cloudflare"]\nrequested_ttl_seconds = 172801\n[turn.cloudflare]\nkey_id = "a"',
        "turn.requested_ttl_seconds",
    ),
    (
        '[turn]\nproviders = ["twilio"]\nrequested_ttl_seconds = 86401\n[turn.twilio]\naccount_sid = "a"',
        "turn.requested_ttl_seconds",
    ),
    ("[turn]\nttl_seconds = 82801\n[turn.pool]\nsize = 1", "turn.pool.max_age_seconds"),
    (
        '[turn]\nproviders = ["coturn"]\n[turn.coturn]\nurls = ["turn:a"]\nsecret_files = []',
        "turn.coturn.secret_files",
    ),
    ("[accounts.work]\nmin_bits = 27", "accounts.work.min_bits"),
    ("[accounts.domains]\nttl_seconds = 604801", "accounts.domains.ttl_seconds"),
    ('[accounts]\nallow_domains = ["example.org"]', "accounts.allow_domains"),
    ('[turn.managed]\ncertificate_key_file = "k.pem"', "turn.managed.certificate_file"),
    ('[turn.managed]\ncertificate_file = "c.pem"\ncertificate_key_file = "k.pem"', "turn.managed.hostname"),
    ("[turn.managed]\nport = 5349", "turn.managed.tls_port"),
    ("[turn.managed]\nmin_relay_port = 50001\nmax_relay_port = 50000", "turn.managed.min_relay_port"),
    ('[turn.managed]\naddresses = ["127.0.0.1", "10.0.0.1"]', "turn.managed.addresses"),
    ('[turn.managed]\nexternal_addresses = ["192.0.2.1", "192.0.2.2"]', "turn.managed.external_addresses"),
    (
        '[turn.managed]\nexternal_addresses = ["192.0.2.1"]\ndiscover_from = "stun:stun.example.org"',
        "turn.managed.discover_from",
    ),
    ('[upstream]\nrelays = ["ws://127.0.0.1:7447"]', "upstream.relays"),
    ('[bridge]\npublic_url = "wss://r.org"\n[upstream]\nrelays = ["wss://r.org"]', "upstream.relays"),
    ('[bridge]\npublic_url = "wss://r.org/"\n[upstream]\nrelays = ["wss://R.org:443"]', "upstream.relays"),
]

POSSIBLE = [
    '[turn]\nproviders = ["cloudflare"]\nrequested_ttl_seconds = 172800\n[turn.cloudflare]\nkey_id = "a"',
    '[turn]\nproviders = ["metered"]\nrequested_ttl_seconds = 2592000\n[turn.metered]\nendpoint = "https://a.org"',
    "[turn]\nttl_seconds = 82800\n[turn.pool]\nsize = 1",
    "[turn]\nttl_seconds = 86400\n[turn.pool]\nsize = 0",
    '[turn.managed]\nhostname = "a.org"\ncertificate_file = "c.pem"\ncertificate_key_file = "k.pem"',
    '[turn.managed]\naddresses = ["10.0.0.1", "fd00::1"]\nexternal_addresses = ["192.0.2.1", "2001:db8::1"]',
    '[turn.managed]\naddresses = ["127.0.0.1", "::1"]',
    "[turn]\nrequested_ttl_seconds = 2592000",
    EXPERIMENT,
    f"{STATIC}{EXPERIMENT}",
    f'{BOTH}{EXPERIMENT}provider = "coturn"\nshare = 12.5',
    '[turn.experiment]\nhostname = "beta.org"',
    '[turn.coturn]\nurls = ["turn:192.0.2.1"]\nurls_with_ips = ["turn:%s"]\nhostname = "turn.org"',
    '[turn.coturn]\nurls = ["turn:192.0.2.1", "turn:turn.org"]\nurls_with_ips = ["turn:%s"]',
    '[turn.coturn]\nurls_with_ips = ["turn:%s"]',
    "[turn.names]\ntimeout_seconds = 5",
    "[relay]\nport = 0\n[metrics]\nport = 0",
    '[relay]\nport = 7000\n[metrics]\nhost = "127.0.0.2"\nport = 7000',
    "[relay]\nport = 7000\n[turn.managed]\nenabled = false\nport = 7000",
    '[relay]\nport = 7000\n[turn.managed]\naddresses = ["127.0.0.2"]\nport = 7000',
    "[relay]\nmax_event_bytes = 131072",
    "[turn]\nttl_seconds = 86400",
    '[accounts]\nadmission = "allowlist"\nallow_domains = ["example.org"]',
    '[relay]\nhost = "0.0.0.0"\n[bridge]\npublic_url = "wss://relay.example.org"',
    '[turn]\nproviders = ["coturn"]\n[turn.coturn]\nurls = ["turn:turn.example.org"]',
    '[turn]\nproviders = ["static"]\n[turn.static]\nurls = ["turn:a.org"]\n[turn.coturn]\nsecret_files = []',
]


@pytest.mark.parametrize(("text", "key"), IMPOSSIBLE)
def test_impossible_pair_is_refused_naming_both(text: str, key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    (problem,) = caught.value.problems
    (pair,) = [pair for pair in PAIRS if pair.keys[0] == key and pair.fix in problem.fix]
    assert problem.key == key
    assert problem.value
    assert all(f"{other} = " in problem.fix for other in pair.keys[1:])


@pytest.mark.parametrize("text", POSSIBLE)
def test_possible_pair_passes(text: str) -> None:
    parse_settings(text)


def test_defaults_fit_together() -> None:
    assert list(impossible_pairs(Settings(), spoiled=())) == []


def test_every_pair_is_proved_able_to_fail() -> None:
    fixes = []
    for text, _ in IMPOSSIBLE:
        with pytest.raises(SettingsError) as caught:
            parse_settings(text)
        fixes.append(caught.value.problems[0].fix)
    assert all(any(pair.fix in fix for fix in fixes) for pair in PAIRS)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: "-".join(pair.keys))
def test_pair_speaks_of_keys_that_exist(pair: object) -> None:
    for key in getattr(pair, "keys"):  # noqa: B009
        assert value_of(Settings(), key) is not None


@pytest.mark.parametrize(
    "text", ['[relay]\nhost = "0.0.0.0"\n[bridge]\npublic_url = 5', 'bridge = 5\n[relay]\nhost = "::"']
)
def test_pair_with_a_key_that_could_not_be_read_is_left_out(text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        parse_settings(text)
    assert len(caught.value.problems) == 1
