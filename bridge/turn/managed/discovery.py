"""Under which address the outside sees us: a STUN server that the operator named is asked, and nobody else."""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import replace
from ipaddress import ip_address

from bridge.turn.managed.configuration import Plan
from bridge.turn.managed.peers import Address, is_private
from bridge.turn.managed.rules import ManagedRules
from bridge.turn.managed.stun import mapped_address
from client.entropy import Entropy

log = logging.getLogger(__name__)

ASK_SECONDS = 2.0
"""Time that the server has to answer."""


class Discovery:
    """Finds the external address, and remembers it for when nobody answers."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy
        self._found: tuple[Address, Address] | None = None
        self._heard: Address | None = None
        """Told once in place of what was found; told again, it is believed."""
        self.problem: str | None = None
        """What was wrong with the last answer, for the operator."""

    async def fill(self, rules: ManagedRules) -> Plan:
        """Return the plan with the external address in it, as far as that is to be found and can be."""
        local = next((address for address in rules.plan.addresses if address.version == 4), None)
        self.problem = None
        if rules.discover_from is None or local is None:
            return rules.plan
        told = await self._ask(*rules.discover_from)
        if told is None:
            self.problem = "the STUN server in turn.managed.discover_from does not answer"
        elif told != local and is_private(told):
            # It would be allowed as a peer and told to clients; and nobody signs such an answer.
            self.problem = "the STUN server in turn.managed.discover_from tells no public address: name another"
        elif self._is_settled(told, local):
            self._found = (told, local)
        if self.problem is not None:
            log.warning(self.problem)
        if self._found is None or self._found[1] != local or self._found[0] == local:
            return rules.plan
        return replace(rules.plan, external=(self._found,))

    def _is_settled(self, told: Address, local: Address) -> bool:
        """Tell whether to go by an answer: a new one has to come twice, since calls end when coturn starts anew."""
        is_settled = self._found in (None, (told, local)) or self._found[1] != local or self._heard == told
        self._heard = told
        return is_settled

    async def _ask(self, host: str, port: int) -> Address | None:
        try:
            async with asyncio.timeout(ASK_SECONDS):
                loop = asyncio.get_running_loop()
                found = await loop.getaddrinfo(host, port, family=socket.AF_INET, type=socket.SOCK_DGRAM)
        except (OSError, TimeoutError):
            return None
        server = ip_address(found[0][4][0])
        return await mapped_address(server, port, seconds=ASK_SECONDS, entropy=self._entropy)
