"""Nothing secret is where it should not be: known values are planted, all is used, and all that is left is searched.

What docs/threats.md says is in clear, public events, is not planted.
"""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bridge.administration.client import operator
from bridge.administration.messages import CommandRefused
from bridge.home import SETTINGS_FILE, write_secret
from bridge.settings.tree import Settings
from bridge.settings.turn import ProviderKind
from bridge.settings.upkeep import LogLevel
from client.bridge import BridgeClient
from client.clock import SystemClock
from client.connection import RelayConnection
from client.entropy import SystemEntropy, draw_key
from client.errors import BridgeRefusal
from client.lifetime import linked
from nips import kinds
from nips.keys import SecretKey
from tests.support import turn_apis
from tests.support.deadline import within
from tests.support.plants import Plant, files_below, found, planted_bytes, planted_key, planted_text, processes
from tests.support.process import Switchboard

CLOCK, ENTROPY = SystemClock(), SystemEntropy()
SECRET_FILES = ("storage.key", "turn.secret", "turn.username", "turn.password", "metered.secret", "cloudflare.token")
"""They hold what they are named after, for their owner alone."""

STATIC_USER, STATIC_PASSWORD = "planted-user-for-everybody", "planted-password-for-everybody"
DEVICE_NAME, NOTE = "Planted telephone of Ada", "planted note about a friend"


@dataclass
class Garden:
    """What was planted so far, and who uses the bridge."""

    plants: list[Plant] = field(default_factory=list)

    def key(self, name: str) -> SecretKey:
        """Draw a key whose public half must not show."""
        secret = draw_key(ENTROPY)
        self.plants.append(planted_key(name, secret.public_key))
        return secret

    def text(self, name: str, value: str) -> str:
        """Plant a text."""
        self.plants.append(planted_text(name, value))
        return value

    def bytes_of(self, name: str, amount: int) -> bytes:
        """Draw bytes and plant them."""
        value = ENTROPY.draw(amount)
        self.plants.append(planted_bytes(name, value))
        return value


async def connected(stack: AsyncExitStack, program: Switchboard, secret: SecretKey) -> BridgeClient:
    """Connect a client for as long as the stack lives."""
    link = RelayConnection(program.url, keys=[secret], clock=CLOCK, entropy=ENTROPY)
    await stack.enter_async_context(linked(link))
    return BridgeClient(secret, program.public_key, [link], clock=CLOCK, entropy=ENTROPY)


async def refused(client: BridgeClient, method: str, params: dict[str, Any]) -> str:
    """Ask for what is refused, and return the code."""
    try:
        await client.call(method, params)
    except BridgeRefusal as refusal:
        return refusal.refusal.code
    raise AssertionError(f"{method} was answered")


async def use_everything(program: Switchboard, garden: Garden) -> None:
    """Ask each method, rightly and wrongly, as accounts, as a device and as a stranger."""
    async with AsyncExitStack() as stack:
        ada = await connected(stack, program, garden.key("account"))
        leaver = await connected(stack, program, garden.key("account that leaves"))
        phone = garden.key("device")
        stranger = await connected(stack, program, garden.key("stranger"))
        await stranger.info()
        for client in (ada, leaver):
            account = await client.account()
            garden.text("aci", account.aci)
            garden.text("pni", account.pni)
            await client.set_access_key(garden.bytes_of("access key", 16))
        for _ in range(3):
            given = await ada.turn_credentials()
            garden.text("TURN user name", given.username)
            garden.text("TURN password", given.password)
        device = await ada.register_device(phone, name=garden.text("device name", DEVICE_NAME), platform="planted-os-9")
        calling = await connected(stack, program, phone)
        await calling.turn_credentials(relay_only=True)
        await ada.call("account.get", kind=kinds.GIFT_WRAP)
        await ada.revoke_device(device.device_id)
        assert await refused(ada, "turn.get_credentials", {"planted-param-of-ada": True}) == "BRIDGE_INVALID_REQUEST"
        assert await refused(ada, "planted.method.of.ada", {}) == "BRIDGE_UNKNOWN_METHOD"
        garden.text("param", "planted-param-of-ada")
        garden.text("method", "planted.method.of.ada")
        await leaver.delete_account()


def operate(program: Switchboard, garden: Garden) -> dict[str, bytes]:
    """Use the operator's commands, and return what they told that shows no key."""
    with operator(program.home) as asking:
        invite = asking.ask("invites.create", uses=3, note=garden.text("note", NOTE))
        garden.text("invite", str(invite["code"]))
        with suppress(CommandRefused):
            asking.ask("accounts.show", account="planted-account-of-nobody")
        told = {name: repr(asking.ask(name)).encode() for name in ("status", "accounts.list")}
        garden.text("account asked for", "planted-account-of-nobody")
    return told


def fetched(program: Switchboard) -> dict[str, bytes]:
    """Return what machines read."""
    pages = {}
    for page in ("metrics", "healthz", "readyz"):
        with urllib.request.urlopen(f"{program.metrics_url}/{page}") as answer:
            pages[page] = answer.read()
    return pages


def settings_with(metered: str, cloudflare: str) -> Any:
    """Return a change of settings: one provider fails, one answers, and one is left for when both fail."""

    def change(settings: Settings) -> Settings:
        turn = settings.turn
        chain = (ProviderKind.METERED, ProviderKind.CLOUDFLARE, ProviderKind.STATIC)
        turn = replace(
            turn,
            providers=chain,
            metered=replace(turn.metered, endpoint=metered),
            cloudflare=replace(turn.cloudflare, endpoint=cloudflare, key_id=turn_apis.KEY_ID),
            static=replace(turn.static, urls=("turn:turn.example.org:3478",)),
        )
        return replace(
            settings,
            turn=turn,
            log=replace(settings.log, level=LogLevel.DEBUG),
            inbox=replace(settings.inbox, workers=1),
        )

    return change


def everything(program: Switchboard, told: dict[str, bytes]) -> dict[str, bytes]:
    """Return all that somebody else could look at: files, processes, log, metrics, what operators were told."""
    return {
        **told,
        **fetched(program),
        **processes(program.family),
        **files_below(program.home, without=SECRET_FILES),
        "log": "\n".join(map(str, program.log)).encode(),
    }


def write_secrets(home: Path, garden: Garden) -> None:
    """Give the bridge its secrets; that of Metered is a wrong one, and comes back in the refusal."""
    home.mkdir(mode=0o700)
    write_secret(home / "metered.secret", garden.text("secret of Metered", "planted-wrong-secret-of-metered"))
    write_secret(home / "cloudflare.token", garden.text("token of Cloudflare", turn_apis.SECRET))
    write_secret(home / "turn.username", garden.text("user of the fixed account", STATIC_USER))
    write_secret(home / "turn.password", garden.text("password of the fixed account", STATIC_PASSWORD))


def check(garden: Garden, places: dict[str, bytes], *, expected: Sequence[str]) -> None:
    """Find nothing, in places that are all there."""
    assert set(expected) <= set(places)
    assert all(places[place] for place in expected)
    assert found(garden.plants, places) == []


async def test_no_secret_is_in_files_log_metrics_or_process_list(tmp_path: Path) -> None:
    garden, home = Garden(), tmp_path / "home"
    write_secrets(home, garden)
    metered, cloudflare = turn_apis.Account(), turn_apis.Account("planted-user-name")
    async with (
        within(120),
        turn_apis.serving(turn_apis.metered(metered)) as broken,
        turn_apis.serving(turn_apis.cloudflare(cloudflare)) as working,
        Switchboard(home, change=settings_with(broken, working)) as program,
    ):
        await use_everything(program, garden)
        assert metered.asked, "nobody asked the provider that refuses"
        assert cloudflare.issued
        told = await asyncio.to_thread(operate, program, garden)
        garden.plants.append(planted_bytes("storage key", storage_key(home)))
        running = await asyncio.to_thread(everything, program, told)
        assert found([planted_text("home", str(home))], running) == ["home in cmdline of switchboard"]
        check(garden, running, expected=["log", "metrics", "readyz", "status", "switchboard.db", "switchboard.db-wal"])

        broken_file = (home / SETTINGS_FILE).read_text()
        (home / SETTINGS_FILE).write_text(f"{broken_file}\n[[nonsense\n")
        with operator(home) as asking, suppress(CommandRefused):
            asking.ask("reload")
        (home / SETTINGS_FILE).write_text(broken_file)
        await program.restart()
        await use_everything(program, garden)
        check(garden, await asyncio.to_thread(everything, program, told), expected=["log", "switchboard.db"])
    check(garden, files_below(home, without=SECRET_FILES), expected=["switchboard.db"])


def storage_key(home: Path) -> bytes:
    """Return the key that encrypts the database."""
    line = (home / "storage.key").read_text().split()[-1]
    return bytes.fromhex(line.rpartition(":")[2])
