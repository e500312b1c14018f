"""Credentials from Twilio's Network Traversal Service: 201, the lifetime as text, 24 hours at most."""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.http import HttpRequest
from bridge.turn.provider import TurnCredentials
from bridge.turn.replies import MAX_REPLY_BYTES, Answer, Terms, basic_auth, fetched


@dataclass(frozen=True, slots=True, kw_only=True)
class TwilioProvider:
    """Asks with an API key of an account, or with the account's own token."""

    terms: Terms
    endpoint: str
    account_sid: str
    key_sid: str
    """Empty: the token is the account's own."""
    token: str = field(repr=False)
    name: str = "twilio"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return fresh credentials; the request is the same whoever they are for."""
        answer = Answer(await fetched(self.terms, self._request()), status=201)
        reply = answer.table(answer.value, "answer")
        login = answer.text(reply.get("username"), "user name"), answer.text(reply.get("password"), "password")
        valid_seconds = answer.seconds(reply.get("ttl"), self.terms)
        urls = self.terms.urls or answer.turn_urls(answer.servers(reply.get("ice_servers")), login)
        return TurnCredentials(*login, urls, valid_seconds)

    def _request(self) -> HttpRequest:
        return HttpRequest(
            method="POST",
            url=f"{self.endpoint.rstrip('/')}/2010-04-01/Accounts/{self.account_sid}/Tokens.json",
            headers={
                "Authorization": basic_auth(self.key_sid or self.account_sid, self.token),
                "Content-Type": "application/x-www-form-urlencoded",
            },
            body=f"Ttl={self.terms.requested_seconds}".encode("ascii"),
            seconds=self.terms.deadline_seconds,
            max_bytes=MAX_REPLY_BYTES,
        )
