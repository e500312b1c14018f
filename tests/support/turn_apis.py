"""Web servers that behave as the documents of TURN providers say, with accounts of their own."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.support.raw_http import reply

SECRET: Final = "planted-api-secret/+&="
"""What each of the accounts is opened with."""

KEY_ID: Final = "0123456789abcdef"
ACCOUNT_SID: Final = "AC0123"
KEY_SID: Final = "SK4567"
IDENT: Final = "ident"
CHANNEL: Final = "calls"

CLOUDFLARE_URLS: Final = (
    "turn:turn.cloudflare.com:3478?transport=udp",
    "turn:turn.cloudflare.com:3478?transport=tcp",
    "turns:turn.cloudflare.com:443?transport=tcp",
)

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Account:
    """An account that gives other credentials each time, and refuses whoever does not know its secret."""

    def __init__(self, user: str = "user") -> None:
        """Take what user names begin with."""
        self._user = user
        self.issued: list[str] = []
        self.asked: list[tuple[str, str, str]] = []
        """Method, path with query, and body of each request."""

    async def take(self, request: web.Request, *, authorization: str | None = None) -> dict[str, Any]:
        """Note a request and return its body as JSON or form; raise 401 with what was sent, as some do."""
        text = await request.text()
        self.asked.append((request.method, request.raw_path, text))
        sent = request.headers.get("Authorization")
        if authorization is not None and sent != authorization:
            raise web.HTTPUnauthorized(text=f"{sent} {request.raw_path} {text}")
        if request.content_type == "application/json":
            return dict(json.loads(text))
        return dict(await request.post())

    def issue(self) -> tuple[str, str]:
        """Return a new user name and password."""
        self.issued.append(f"{self._user}-{len(self.issued) + 1}")
        return self.issued[-1], f"planted-password-{len(self.issued)}"


def basic(user: str) -> str:
    """Return the header that the account asks for."""
    return "Basic " + base64.b64encode(f"{user}:{SECRET}".encode()).decode()


def cloudflare(account: Account) -> dict[str, Handler]:
    """Serve both calls of Cloudflare: the newer one with a list, the older one with an object."""

    async def generate(request: web.Request) -> web.Response:
        body = await account.take(request, authorization=f"Bearer {SECRET}")
        if not 1 <= body["ttl"] <= 172_800:
            return web.Response(status=400)
        username, credential = account.issue()
        stun = {"urls": ["stun:stun.cloudflare.com:3478", "stun:stun.cloudflare.com:53"]}
        urls = [*CLOUDFLARE_URLS, "turn:turn.cloudflare.com:53?transport=udp"]
        turn = {"urls": urls, "username": username, "credential": credential}
        is_list = request.path.endswith("generate-ice-servers")
        both = {**turn, "urls": [*stun["urls"], *urls]}
        return web.json_response({"iceServers": [stun, turn] if is_list else both}, status=201)

    path = f"/v1/turn/keys/{KEY_ID}/credentials"
    return {f"POST {path}/generate-ice-servers": generate, f"POST {path}/generate": generate}


def twilio(account: Account, *, user: str = KEY_SID) -> dict[str, Handler]:
    """Serve Twilio's call, which wants a form and answers the lifetime as text."""

    async def tokens(request: web.Request) -> web.Response:
        form = await account.take(request, authorization=basic(user))
        if not 1 <= int(form["Ttl"]) <= 86_400:
            return web.Response(status=400)
        username, password = account.issue()
        turn = "turn:global.turn.twilio.com:3478?transport=udp"
        servers = [
            {"url": "stun:global.stun.twilio.com:3478", "urls": "stun:global.stun.twilio.com:3478"},
            {"url": turn, "urls": turn, "username": username, "credential": password},
        ]
        answer = {
            "account_sid": ACCOUNT_SID,
            "date_created": "Fri, 01 Jan 2027 00:00:00 +0000",
            "date_updated": "Fri, 01 Jan 2027 00:00:00 +0000",
            "ice_servers": servers,
            "username": username,
            "password": password,
            "ttl": form["Ttl"],
        }
        return web.json_response(answer, status=201)

    return {f"POST /2010-04-01/Accounts/{ACCOUNT_SID}/Tokens.json": tokens}


def metered(account: Account) -> dict[str, Handler]:
    """Serve Metered's two calls: one makes a credential, the other lists the servers for it."""
    keys: dict[str, tuple[str, str]] = {}

    async def create(request: web.Request) -> web.Response:
        body = await account.take(request)
        if request.query.get("secretKey") != SECRET:
            return web.json_response({"error": f"Invalid secretKey {request.query_string}"}, status=401)
        username, password = account.issue()
        keys[f"key-{username}"] = username, password
        answer = {"username": username, "password": password, "apiKey": f"key-{username}", "label": ""}
        return web.json_response({**answer, "expiryInSeconds": body.get("expiryInSeconds")})

    async def servers(request: web.Request) -> web.Response:
        await account.take(request)
        username, credential = keys[request.query["apiKey"]]
        login = {"username": username, "credential": credential}
        urls = ["turn:global.relay.metered.ca:80", "turns:global.relay.metered.ca:443?transport=tcp"]
        return web.json_response([{"urls": "stun:stun.relay.metered.ca:80"}, *({"urls": url, **login} for url in urls)])

    return {"POST /api/v1/turn/credential": create, "GET /api/v1/turn/credentials": servers}


def xirsys(account: Account) -> dict[str, Handler]:
    """Serve Xirsys' call, which answers 200 whatever happened."""

    async def turn(request: web.Request) -> web.Response:
        body = await account.take(request)
        if request.headers.get("Authorization") != basic(IDENT):
            return web.json_response({"s": "error", "v": f"unauthorized {request.headers['Authorization']}"})
        username, credential = account.issue()
        urls = ["stun:eu-turn1.xirsys.com", "turn:eu-turn1.xirsys.com:80?transport=udp"]
        server = {"username": username, "credential": credential, "urls": urls}
        assert body == {"format": "urls", "expire": body["expire"]}
        return web.json_response({"v": {"iceServers": server}, "s": "ok"})

    return {f"PUT /_turn/{CHANNEL}": turn}


@asynccontextmanager
async def serving(handlers: dict[str, Handler]) -> AsyncIterator[str]:
    """Serve on a free port of this machine and return the address."""
    app = web.Application()
    for route, handler in handlers.items():
        method, path = route.split()
        app.router.add_route(method, path, handler)
    async with TestServer(app) as server:
        yield str(server.make_url("/")).rstrip("/")


def good_replies(provider: str) -> list[bytes]:
    """Return what a provider answers when all is well: one reply for each request that is made."""
    turn = {"urls": ["turn:a.example:3478"], "username": "user", "credential": "word"}
    created = {"username": "user", "password": "word", "expiryInSeconds": 2000, "apiKey": "key"}
    token = {"username": "user", "password": "word", "ttl": "2000", "ice_servers": [turn]}
    return {
        "cloudflare": [reply(json.dumps({"iceServers": [turn]}), status="201 Created")],
        "twilio": [reply(json.dumps(token), status="201 Created")],
        "metered": [reply(json.dumps(created)), reply(json.dumps([turn]))],
        "xirsys": [reply(json.dumps({"s": "ok", "v": {"iceServers": turn}}))],
    }[provider]
