"""Credentials from Xirsys: 200 for everything, and in the body whether it went well.

With `format: urls` it answers with one server, other forms of the call with a list; both are read. It repeats no
lifetime, so what was asked for counts.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bridge.http import HttpRequest
from bridge.turn.provider import TurnCredentials
from bridge.turn.replies import MAX_REPLY_BYTES, Answer, Terms, basic_auth, fetched, granted
from nips.strict_json import dump_exact


@dataclass(frozen=True, slots=True, kw_only=True)
class XirsysProvider:
    """Asks with an account's ident and secret for one of its channels."""

    terms: Terms
    endpoint: str
    channel: str
    ident: str
    secret: str = field(repr=False)
    name: str = "xirsys"

    async def credentials(self, *, user: str, now: int) -> TurnCredentials:
        """Return fresh credentials; the request is the same whoever they are for."""
        answer = Answer(await fetched(self.terms, self._request()), status=200)
        reply = answer.table(answer.value, "answer")
        if reply.get("s") != "ok":
            # What it says beside that may repeat what it was sent.
            raise answer.failed("its answer says that it failed")
        content = answer.table(reply.get("v"), "v")
        return granted(answer, self.terms, content.get("iceServers"), self.terms.requested_seconds)

    def _request(self) -> HttpRequest:
        return HttpRequest(
            method="PUT",
            url=f"{self.endpoint.rstrip('/')}/_turn/{self.channel}",
            headers={"Authorization": basic_auth(self.ident, self.secret), "Content-Type": "application/json"},
            body=dump_exact({"format": "urls", "expire": str(self.terms.requested_seconds)}),
            seconds=self.terms.deadline_seconds,
            max_bytes=MAX_REPLY_BYTES,
        )
