"""--api-log: one line for each request to the API."""

import logging
import time
from urllib.parse import quote

from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger(__name__)

LOGGED = ("/sdapi/", "/api/")


class RequestLog:
    """ASGI middleware. Method, path without its query, status, seconds, client; an answer in pieces counts to its end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].removeprefix(scope.get("root_path", "")).startswith(LOGGED):
            return await self._app(scope, receive, send)
        began, status = time.monotonic(), 500  # what an exception becomes further out

        async def send_noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        finally:
            client = (scope.get("client") or ("-",))[0]
            log.info("API %s %s %d %.3f s %s", scope["method"], quote(scope["path"]), status, time.monotonic() - began, client)
