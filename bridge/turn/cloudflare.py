"""Credentials from Cloudflare Realtime.

It answers 201, with a list of servers or, as its older call does, with one; it repeats no lifetime, so what was asked
for counts. It grants 48 hours at most.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.http import HttpRequest
from bridge.turn.provider import TurnCredentials
from bridge.turn.replies import MAX_REPLY_BYTES, Answer, Terms, fetched, granted
from nips.strict_json import dump_exact


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudflareProvider:
    """Asks with the API token of one TURN key."""

    terms: Terms
    endpoint: str
    key_id: str
    token: str = field(repr=False)
    name: str = "cloudflare"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return fresh credentials; the request is the same whoever they are for."""
        answer = Answer(await fetched(self.terms, self._request()), status=201)
        reply = answer.table(answer.value, "answer")
        return granted(answer, self.terms, reply.get("iceServers"), self.terms.requested_seconds)

    def _request(self) -> HttpRequest:
        return HttpRequest(
            method="POST",
            url=f"{self.endpoint.rstrip('/')}/v1/turn/keys/{self.key_id}/credentials/generate-ice-servers",
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"},
            body=dump_exact({"ttl": self.terms.requested_seconds}),
            seconds=self.terms.deadline_seconds,
            max_bytes=MAX_REPLY_BYTES,
        )
