"""--subpath: the whole application below a path, for reverse proxies, whether they pass the path on or cut it off."""

from starlette.types import ASGIApp, Receive, Scope, Send


class SubPath:
    """ASGI middleware. path: "webui" or "/tools/webui"."""

    def __init__(self, app: ASGIApp, path: str) -> None:
        self._app = app
        self._root = f"/{path.strip('/')}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            path = scope["path"]
            below = path == self._root or path.startswith(f"{self._root}/")
            scope = {**scope, "root_path": self._root, "path": path if below else self._root + path}
            scope.pop("raw_path", None)
        await self._app(scope, receive, send)
