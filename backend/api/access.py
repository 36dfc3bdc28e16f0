"""Who may come in: accounts on the command line, HTTP Basic for /sdapi, and the page's login for the page's own routes."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBasicCredentials
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from backend.errors import WebUIError
from backend.flags import Flags

BASIC = HTTPBasic()


def accounts(text: str | None) -> dict[str, str]:
    """ "name:password,name:password" → {name: password}; a password may hold colons. Raises WebUIError."""
    pairs = [part.strip().partition(":") for part in (text or "").replace("\n", ",").split(",") if part.strip()]
    if not all(name and password for name, _, password in pairs):
        raise WebUIError("Names and passwords are given as name:password,name:password.")
    return {name: password for name, _, password in pairs}


def page_accounts(flags: Flags) -> dict[str, str]:
    """--gradio-auth and the file --gradio-auth-path. Raises WebUIError."""
    try:
        listed = Path(flags.gradio_auth_path).read_text("utf-8") if flags.gradio_auth_path else ""
    except OSError as error:
        raise WebUIError(f"The passwords in {flags.gradio_auth_path} cannot be read: {error.strerror}.") from error
    return {**accounts(listed), **accounts(flags.gradio_auth)}


def login(accounts: Mapping[str, str]) -> Callable[[HTTPBasicCredentials], Awaitable[None]]:
    """A dependency that lets in who knows one of the accounts {name: password}."""

    async def check(given: Annotated[HTTPBasicCredentials, Depends(BASIC)]) -> None:
        password = accounts.get(given.username, "")
        same = secrets.compare_digest(given.password.encode(), password.encode())  # always compared: the time it takes tells nothing
        if not (same and given.username in accounts):
            raise HTTPException(401, "Incorrect username or password", {"WWW-Authenticate": "Basic"})

    return check


def page_login(app: FastAPI) -> Callable[[Request], Awaitable[None]]:
    """A dependency for the page's own routes: Gradio's login protects only some of Gradio's. Gradio must be the last that is mounted."""

    async def check(request: Request) -> None:
        if not _is_logged_in(app, request):
            raise HTTPException(401, "Log in first")

    return check


class GradioLogin:
    """ASGI middleware: of Gradio's own routes, those that its login leaves open ask for it too."""

    def __init__(self, app: ASGIApp, *, whole: FastAPI) -> None:
        self._app = app
        self._whole = whole

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and "/gradio_api/" in scope["path"] and not _is_logged_in(self._whole, HTTPConnection(scope)):
            return await JSONResponse({"detail": "Log in first"}, 401)(scope, receive, send)
        await self._app(scope, receive, send)


def _is_logged_in(app: FastAPI, connection: HTTPConnection) -> bool:
    """Reads Gradio's cookies and tokens, which are no public interface of it; a test watches."""
    page = app.router.routes[-1].app  # type: ignore[attr-defined]
    cookies = (connection.cookies.get(f"{kind}-{page.cookie_id}") for kind in ("access-token", "access-token-unsecure"))
    return any(cookie in page.tokens for cookie in cookies)
