"""Credentials from Metered: 200, and the secret in the address.

What is made without a lifetime is good for ever, so an answer that names none has failed. Its servers are told by a
second request, which not every plan has; where addresses are configured it is not made.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import quote

from bridge.http import HttpRequest
from bridge.turn.provider import TurnCredentials
from bridge.turn.replies import MAX_REPLY_BYTES, Answer, Terms, fetched
from nips.strict_json import dump_exact


@dataclass(frozen=True, slots=True, kw_only=True)
class MeteredProvider:
    """Asks with the secret key of an app."""

    terms: Terms
    endpoint: str
    secret_key: str = field(repr=False)
    name: str = "metered"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return fresh credentials; the request is the same whoever they are for."""
        answer = Answer(await fetched(self.terms, self._request()), status=200)
        reply = answer.table(answer.value, "answer")
        login = answer.text(reply.get("username"), "user name"), answer.text(reply.get("password"), "password")
        valid_seconds = answer.seconds(reply.get("expiryInSeconds"), self.terms)
        urls = self.terms.urls or await self._urls(answer.text(reply.get("apiKey"), "API key"), login)
        return TurnCredentials(*login, urls, valid_seconds)

    async def _urls(self, api_key: str, login: tuple[str, str]) -> tuple[str, ...]:
        request = HttpRequest(
            method="GET",
            url=self._address("credentials", "apiKey", api_key),
            seconds=self.terms.deadline_seconds,
            max_bytes=MAX_REPLY_BYTES,
        )
        answer = Answer(await fetched(self.terms, request), status=200)
        return answer.turn_urls(answer.servers(answer.value), login)

    def _request(self) -> HttpRequest:
        return HttpRequest(
            method="POST",
            url=self._address("credential", "secretKey", self.secret_key),
            headers={"Content-Type": "application/json"},
            body=dump_exact({"expiryInSeconds": self.terms.requested_seconds}),
            seconds=self.terms.deadline_seconds,
            max_bytes=MAX_REPLY_BYTES,
        )

    def _address(self, call: str, parameter: str, secret: str) -> str:
        return f"{self.endpoint.rstrip('/')}/api/v1/turn/{call}?{parameter}={quote(secret, safe='')}"
