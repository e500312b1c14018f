"""All settings together, in the order of the file."""

from __future__ import annotations

from dataclasses import dataclass

from bridge.settings.accounts import AccountSettings, PermitSettings
from bridge.settings.endpoint import BridgeSettings, CompatSettings, RelaySettings, UpstreamSettings, WrapSettings
from bridge.settings.health import MetricsSettings, NoticeSettings
from bridge.settings.keys import table
from bridge.settings.relay_url import relay_identity
from bridge.settings.requests import InboxSettings, ReplySettings
from bridge.settings.turn import TurnSettings
from bridge.settings.upkeep import LogSettings, StopSettings, StorageSettings


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that an operator can set; `Settings()` is the defaults."""

    bridge: BridgeSettings = table(BridgeSettings(), "How the bridge presents itself.")
    turn: TurnSettings = table(TurnSettings(), "TURN credentials for calls.", is_live=True)
    accounts: AccountSettings = table(AccountSettings(), "Who may use the bridge.", is_live=True)
    permits: PermitSettings = table(PermitSettings(), "How often an account may ask.", is_live=True)
    relay: RelaySettings = table(RelaySettings(), "Our own relay. Clients connect here.")
    wraps: WrapSettings = table(WrapSettings(), "Gift wraps on our relay.")
    upstream: UpstreamSettings = table(UpstreamSettings(), "Other relays on which the bridge can be reached.")
    inbox: InboxSettings = table(InboxSettings(), "Requests that wait for their answer.")
    replies: ReplySettings = table(ReplySettings(), "Answers on their way to the asker.")
    compat: CompatSettings = table(CompatSettings(), "What is tolerated for clients that deviate from the NIPs.")
    storage: StorageSettings = table(StorageSettings(), "Where everything durable lies.")
    log: LogSettings = table(LogSettings(), "The log, on standard error.")
    metrics: MetricsSettings = table(MetricsSettings(), "Metrics and health for machines, over HTTP.")
    notices: NoticeSettings = table(
        NoticeSettings(), "Messages to the operator about trouble, as NIP-17 from the bridge's key.", is_live=True
    )
    stop: StopSettings = table(StopSettings(), "What happens at the end.")

    def told_relays(self, *, own_url: str | None = None) -> list[str]:
        """Return where clients are told to come; `own_url` is our own relay's where the settings say any port.

        An address of this machine alone would send others to their own machine.
        """
        own = self.bridge.public_url
        if not own and not self.upstream.relays:
            own = own_url or (self.relay_url() if self.relay.port else "")
        return list({relay_identity(url): url for url in (own, *self.upstream.relays) if url}.values())

    def relay_url(self, *, port: int | None = None) -> str:
        """Return the address to tell clients; `port` is the one really taken when the setting says any."""
        if self.bridge.public_url:
            return self.bridge.public_url
        host = f"[{self.relay.host}]" if ":" in self.relay.host else self.relay.host
        return f"ws://{host}:{self.relay.port if port is None else port}"
