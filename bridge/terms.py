"""From settings to the rules about who may call, and on what terms newcomers get an account. Pure."""

from __future__ import annotations

from bridge.callers import AdmissionRules
from bridge.domains import DomainRules
from bridge.newcomers import JoiningRules
from bridge.public_keys import public_keys
from bridge.settings.accounts import AccountSettings, Admission, LimiterSettings
from bridge.settings.tree import Settings
from bridge.work import WorkRules
from storage.permits import Bucket


def admission_rules(settings: Settings) -> AdmissionRules:
    """Return who may call; raise `StartupError` for a key that is none."""
    accounts = settings.accounts
    return AdmissionRules(
        accounts.admission,
        public_keys("accounts.allow", accounts.allow),
        public_keys("accounts.blocked", accounts.blocked),
        accounts.auto_register,
        joining_rules(accounts),
    )


def domain_rules(settings: Settings) -> DomainRules:
    """Return which domains are asked for their names: none, unless an allowlist counts."""
    accounts, domains = settings.accounts, settings.accounts.domains
    return DomainRules(
        domains=accounts.allow_domains if accounts.admission is Admission.ALLOWLIST else (),
        ttl_seconds=domains.ttl_seconds,
        stale_seconds=domains.stale_seconds,
        timeout_seconds=domains.timeout_seconds,
        max_bytes=domains.max_bytes,
    )


def joining_rules(accounts: AccountSettings) -> JoiningRules:
    """Return on what terms new accounts are made."""
    work = accounts.work
    return JoiningRules(
        max_accounts=accounts.max_accounts,
        budget=bucket_of(accounts.budget),
        guesses=bucket_of(accounts.guesses),
        work=WorkRules(
            min_bits=work.min_bits,
            max_bits=work.max_bits,
            accounts_per_bit=work.accounts_per_bit,
            calm_ms=1000 * work.calm_seconds,
            grace_ms=1000 * work.grace_seconds,
        ),
    )


def bucket_of(figures: LimiterSettings) -> Bucket:
    """Return a limiter's bucket."""
    return Bucket(figures.burst, figures.refill_ms)
