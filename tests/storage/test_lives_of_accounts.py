"""Accounts, devices, permits and deletions in any order, beside a model of what must hold after each step."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from storage.account_interface import (
    Acting,
    AdmissionFailed,
    DeleteAccount,
    Device,
    EffectRefusal,
    RegisterDevice,
    RevokeDevice,
    Standing,
)
from storage.encryption import KeyRing
from storage.interface import Answer, CallerGone, Committed, EffectRefused, NoPermit, Recorded
from storage.permits import Bucket
from storage.sqlite import open_storage
from tests.storage.builders import KEY, NOW, a_device, a_hex, a_new_account, a_permit, a_request

KEYS = range(4)
MOST_DEVICES, MOST_ACCOUNTS = 2, 3
BUCKET = Bucket(burst=12, refill_ms=10**9)
keys = st.sampled_from(KEYS)


@dataclass
class Model:
    """What must be so."""

    owners: dict[int, int] = field(default_factory=dict)
    """For which key, as an account, each key acts."""
    revoked: dict[int, int] = field(default_factory=dict)
    """By which account."""
    blocked: set[int] = field(default_factory=set)
    taken: dict[int, int] = field(default_factory=dict)
    """Permits that the account of a key took, in all its lives."""
    proofs: set[int] = field(default_factory=set)
    answered: dict[int, int] = field(default_factory=dict)
    """Requests that were answered, by the account whose answer it is."""
    erased: set[int] = field(default_factory=set)
    """Requests whose answers went with their accounts."""

    def devices_of(self, account: int) -> set[int]:
        return {key for key, owner in self.owners.items() if owner == account}

    def why_not(self, account: int, key: int, proof: int) -> EffectRefusal | None:
        owner = self.owners.get(key)
        if proof in self.proofs:
            return EffectRefusal.PROOF_USED
        if owner == account:
            return None
        if owner is not None and (owner != key or self.devices_of(owner) != {key}):
            return EffectRefusal.TAKEN
        return EffectRefusal.LIMIT if len(self.devices_of(account)) >= MOST_DEVICES else None

    def delete(self, account: int) -> None:
        for key in self.devices_of(account):
            del self.owners[key]
        self.revoked = {key: by for key, by in self.revoked.items() if by != account}
        gone = {number for number, owner in self.answered.items() if owner == account}
        self.erased |= gone
        self.answered = {number: owner for number, owner in self.answered.items() if number not in gone}


def somebody_is_there(lives: Lives) -> bool:
    return bool(lives.model.owners)


class Lives(RuleBasedStateMachine):
    """One storage, and everything that can happen to a few keys in it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = Model()
        self.folder = tempfile.mkdtemp()
        self.runner = asyncio.Runner()
        self.numbers, self.proofs = count(), count()
        self.storage = self.run(open_storage(Path(self.folder) / "switchboard.db", KeyRing([(1, KEY)])))

    def run(self, work: Any) -> Any:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(self.storage.close())
        self.runner.close()
        shutil.rmtree(self.folder)

    @property
    def callers(self) -> st.SearchStrategy[int]:
        return st.sampled_from(sorted(self.model.owners))

    def caller(self, key: int) -> tuple[int, Device] | None:
        """Return the number of the account for which a key acts, and its device."""
        found = self.run(self.storage.accounts.find(a_hex(key)))
        return (found[0].number, found[1]) if found else None

    def ask(self, key: int, effect: Any = None) -> tuple[Recorded, int]:
        """Ask as a device, for one permit."""
        number, caller = next(self.numbers), self.caller(key)
        assert caller is not None
        request = replace(a_request(number), scope=a_hex(self.model.owners[key]))
        answer = Answer(
            [],
            request=request,
            response_json="{}",
            forget_at=NOW + 900,
            permit=a_permit(account=caller[0], bucket=BUCKET),
            acting=Acting(caller[0], caller[1].device_id),
            effect=effect,
        )
        return self.run(self.storage.requests.commit(answer)), number

    def is_answered(self, key: int, recorded: Recorded, number: int) -> bool:
        """Hold an answer to the permits, and count it; tell whether it was given."""
        owner = self.model.owners[key]
        if self.model.taken.get(owner, 0) == BUCKET.burst:
            assert isinstance(recorded, NoPermit)
            return False
        assert not isinstance(recorded, NoPermit | CallerGone)
        if isinstance(recorded, EffectRefused):
            return False
        self.model.taken[owner] = self.model.taken.get(owner, 0) + 1
        self.model.answered[number] = owner
        return True

    @rule(key=keys)
    def join(self, key: int) -> None:
        joined = self.run(self.storage.accounts.admit(a_new_account(key), max_accounts=MOST_ACCOUNTS))
        if key in self.model.owners:
            assert joined[1].pubkey == a_hex(key)
        elif key in self.model.revoked:
            assert joined is AdmissionFailed.REVOKED
        elif len(set(self.model.owners.values())) >= MOST_ACCOUNTS:
            assert joined is AdmissionFailed.FULL
        else:
            assert joined[1].is_primary
            self.model.owners[key] = key

    @initialize()
    def begin(self) -> None:
        for key in (0, 1):
            self.join(key)

    @precondition(somebody_is_there)
    @rule(data=st.data())
    def ask_for_something(self, data: st.DataObject) -> None:
        by = data.draw(self.callers)
        self.is_answered(by, *self.ask(by))

    @precondition(somebody_is_there)
    @rule(data=st.data(), key=keys, is_new_proof=st.integers(0, 9))
    def register(self, data: st.DataObject, key: int, is_new_proof: int) -> None:
        by = data.draw(self.callers)
        proof = next(self.proofs) if is_new_proof or not self.model.proofs else min(self.model.proofs)
        account, known = self.model.owners[by], self.caller(key)
        device = known[1] if known and self.model.owners[key] == account else replace(a_device(key), pubkey=a_hex(key))
        caller = self.caller(by)
        assert caller is not None
        effect = RegisterDevice(caller[0], device, a_hex(proof, what="proof"), NOW + 900, MOST_DEVICES)
        reason = self.model.why_not(account, key, proof)
        recorded, number = self.ask(by, effect)
        if not self.is_answered(by, recorded, number):
            assert isinstance(recorded, NoPermit) or recorded == EffectRefused(reason)  # type: ignore[arg-type]
            return
        assert reason is None
        if self.model.owners.get(key) == key != account:
            self.model.answered = {n: account if o == key else o for n, o in self.model.answered.items()}
            self.model.revoked = {k: account if o == key else o for k, o in self.model.revoked.items()}
        self.model.proofs.add(proof)
        self.model.owners[key] = account
        self.model.revoked.pop(key, None)

    @precondition(somebody_is_there)
    @rule(data=st.data())
    def revoke(self, data: st.DataObject) -> None:
        by, key = data.draw(self.callers), data.draw(self.callers)
        caller, known = self.caller(by), self.caller(key)
        assert caller is not None
        assert known is not None
        account, owner = self.model.owners[by], self.model.owners[key]
        recorded, number = self.ask(by, RevokeDevice(caller[0], known[1].device_id))
        if self.is_answered(by, recorded, number):
            assert owner == account != key
            assert recorded == Committed((), gone=(a_hex(key),))
            del self.model.owners[key]
            self.model.revoked[key] = account
        elif owner != account:
            assert recorded == EffectRefused(EffectRefusal.UNKNOWN) or isinstance(recorded, NoPermit)
        elif key == account:
            assert recorded == EffectRefused(EffectRefusal.PRIMARY) or isinstance(recorded, NoPermit)

    @precondition(somebody_is_there)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        by = data.draw(self.callers)
        caller = self.caller(by)
        assert caller is not None
        account = self.model.owners[by]
        devices = {a_hex(key) for key in self.model.devices_of(account)}
        recorded, number = self.ask(by, DeleteAccount(caller[0], NOW))
        if self.is_answered(by, recorded, number):
            assert isinstance(recorded, Committed)
            assert set(recorded.gone) == devices
            del self.model.answered[number]
            self.model.delete(account)
            # The answer to the deletion is nobody's, and stays.
            self.model.answered[number] = -1

    @rule(key=keys)
    def delete_by_operator(self, key: int) -> None:
        caller = self.caller(key)
        if caller is not None:
            account = self.model.owners[key]
            gone = self.run(self.storage.accounts.delete(caller[0], now=NOW))
            assert set(gone) == {a_hex(device) for device in self.model.devices_of(account)}
            self.model.delete(account)

    @rule(key=keys, is_wanted=st.booleans())
    def block(self, key: int, is_wanted: bool) -> None:
        change = self.storage.accounts.block if is_wanted else self.storage.accounts.unblock
        assert self.run(change(a_hex(key))) is ((key in self.model.blocked) != is_wanted)
        self.model.blocked = self.model.blocked | {key} if is_wanted else self.model.blocked - {key}

    @invariant()
    def keys_act_for_whom_they_should(self) -> None:
        for key in KEYS:
            dossier = self.run(self.storage.requests.look_up(asker=a_hex(key), request_id="-", rumor_id=a_hex(key)))
            owner = self.model.owners.get(key)
            assert (dossier.caller[0].pubkey if dossier.caller else None) == (None if owner is None else a_hex(owner))
            blocked, revoked = {key, owner} & self.model.blocked, key in self.model.revoked
            expected = Standing.BLOCKED if blocked else Standing.REVOKED if revoked else Standing.FREE
            assert dossier.standing is expected
            if dossier.caller is not None and owner is not None:
                left = dossier.balances["turn"].worth_ms // BUCKET.refill_ms if dossier.balances else BUCKET.burst
                assert left == BUCKET.burst - self.model.taken.get(owner, 0), "a deletion refills nothing"

    @invariant()
    def accounts_have_their_own_key_and_not_too_many(self) -> None:
        listed = self.run(self.storage.accounts.overview())
        found = {each.account.pubkey: each.devices for each in listed}
        owners = set(self.model.owners.values())
        assert found == {a_hex(owner): len(self.model.devices_of(owner)) for owner in owners}
        assert all(owner in self.model.devices_of(owner) for owner in owners)
        assert all(1 <= amount <= MOST_DEVICES for amount in found.values())

    @invariant()
    def every_request_is_known_and_told_as_long_as_its_account_is_there(self) -> None:
        for number in (*self.model.answered, *self.model.erased):
            key, owner = a_request(number), self.model.answered.get(number, -1)
            asker = a_hex(99 if owner < 0 else owner)
            dossier = self.run(self.storage.requests.look_up(asker=asker, request_id="-", rumor_id=key.rumor_id))
            assert (dossier.known is not None) is (number in self.model.answered)
            assert dossier.is_erased is (number in self.model.erased)


Lives.TestCase.settings = settings(max_examples=50, stateful_step_count=40, deadline=None)
TestLivesOfAccounts = Lives.TestCase
