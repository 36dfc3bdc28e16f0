"""Stands around the whole application, page and API alike: who may ask (Host, Origin), and what browsers are told to refuse.

Three attacks come from a web page that the person has open elsewhere: DNS rebinding (a name of the attacker's that points here: the Host header shows
it), requests across origins (Origin and Sec-Fetch-Site show them), and reading answers across origins (no CORS headers, so the browser refuses).
Programs without a browser send none of these headers and pass.
"""

import re
import time
from collections import deque
from collections.abc import Collection, Mapping
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
LOGIN_TRIES, LOGIN_SECONDS = 10, 60  # wrong passwords per client address before it has to wait
MOST_BYTES = 64 * 1024 * 1024  # of a request: many large pictures in base64
STREAMED = ("/internal/upload/", "/api/v2/upload/")  # take their bodies piece by piece and have limits of their own

PAGE_HEADERS: Mapping[str, str] = {
    # Gradio's components are built with Function and inline scripts; nothing may be loaded from, or sent to, another host.
    "content-security-policy": "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; media-src 'self' data: blob:; font-src 'self' data:; worker-src 'self' blob:; connect-src 'self' data: blob:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'self'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}


class Guard:
    """ASGI middleware.

    names: host names that the server may be called by, besides localhost and every IP address (an address cannot be rebound).
    uploads: whether Gradio's own upload route, which takes any file from whoever reaches it, may be used.
    origins, origin_regex: --cors-allow-origins and its regex; these origins, and their host names, are welcome. "*" = everyone.
    """

    def __init__(self, app: ASGIApp, *, names: Collection[str] = (), origins: Collection[str] = (), origin_regex: str = "", uploads: bool = True) -> None:
        self._app = app
        self._uploads = uploads
        self._origins = {origin.rstrip("/").lower() for origin in origins}
        self._names = {"localhost", *(name.lower() for name in names), *(_host_of(origin) for origin in self._origins)}
        self._origin_regex = re.compile(origin_regex) if origin_regex else None
        self._failed_logins: dict[str, deque[float]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal and scope["type"] == "websocket":
            return await send({"type": "websocket.close", "code": 1008, "reason": refusal[1]})
        if refusal:
            status, sentence = refusal
            return await JSONResponse({"detail": sentence}, status)(scope, receive, send)
        if not _is_streamed(scope):
            receive = _at_most(MOST_BYTES, receive)
        return await self._app(scope, receive, self._sender(scope, headers, send))

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """HTTP status and a sentence, or None: come in."""
        host, origin = headers.get("host", ""), headers.get("origin", "")
        if not self._knows_host(host):
            return 403, f"This server does not answer to the name {host!r}. Start it with --server-name, or name the address with --cors-allow-origins."
        if scope["type"] == "websocket" or scope["method"] not in SAFE_METHODS:
            if origin and not self._knows_origin(origin, host):
                return 403, f"A page from {origin!r} may not do this. Start with --cors-allow-origins={origin} to allow it."
            if not origin and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return 403, "A page from another site may not do this."
        if not self._uploads and scope["path"].rstrip("/").endswith("/gradio_api/upload"):
            return 403, "Files cannot be left here without a password."
        if _is_login(scope, headers) and self._waits(scope):
            return 429, "Too many wrong passwords. Wait a minute."
        length = headers.get("content-length", "")
        if length.isdecimal() and int(length) > MOST_BYTES and not _is_streamed(scope):
            return 413, f"This request is larger than {MOST_BYTES // 2**20} MB. Send fewer or smaller pictures at once."
        return None

    def _knows_host(self, host: str) -> bool:
        name = _host_of(host)
        return not name or "*" in self._origins or name in self._names or name.endswith(".localhost") or _is_address(name)

    def _knows_origin(self, origin: str, host: str) -> bool:
        origin = origin.lower()
        if origin in (f"http://{host.lower()}", f"https://{host.lower()}") or "*" in self._origins or origin in self._origins:
            return True
        return self._origin_regex is not None and self._origin_regex.fullmatch(origin) is not None

    def _sender(self, scope: Scope, request: Headers, send: Send) -> Send:
        login = _is_login(scope, request)
        cross_origin = self._knows_origin(request["origin"], request.get("host", "")) if "origin" in request else False

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                for name in [name for name in answer if name.startswith("access-control-")] if not cross_origin else ():
                    del answer[name]
                for name, value in PAGE_HEADERS.items():
                    answer.setdefault(name, value)
                if login and message["status"] in (400, 401):
                    self._failed_logins.setdefault(_client(scope), deque(maxlen=LOGIN_TRIES)).append(time.monotonic())
            await send(message)

        return send_guarded

    def _waits(self, scope: Scope) -> bool:
        tries = self._failed_logins.get(_client(scope))
        return tries is not None and len(tries) == LOGIN_TRIES and time.monotonic() - tries[0] < LOGIN_SECONDS


def _host_of(text: str) -> str:
    """The bare name in "http://name:port", "name:port" or "[::1]:port"."""
    authority = text.rpartition("://")[2].lower()
    return authority[1:].partition("]")[0] if authority.startswith("[") else authority.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_login(scope: Scope, headers: Headers) -> bool:
    """Whether a password is tried: on the page's login, or with each request of HTTP Basic."""
    if scope["type"] != "http":
        return False
    return "authorization" in headers or (scope["method"] == "POST" and scope["path"].rstrip("/").endswith("/login"))


def _is_streamed(scope: Scope) -> bool:
    return any(part in scope["path"] for part in STREAMED)


def _at_most(limit: int, receive: Receive) -> Receive:
    """A body that comes without its length is cut off where it gets too long: to the application the client is gone."""
    taken = 0

    async def counted() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        return message if taken <= limit else {"type": "http.disconnect"}

    return counted


def _client(scope: Scope) -> str:
    return (scope.get("client") or ("",))[0]
