"""Who may come in: accounts on the command line, HTTP Basic for /sdapi, and the page's login for the page's own routes."""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.security import HTTPBasic, HTTPBasicCredentials

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
    """A dependency for the page's own routes: Gradio's login protects only Gradio's. Gradio must be the last that is mounted.

    Reads Gradio's cookies and tokens, which are no public interface of it; a test watches.
    """

    async def check(request: Request) -> None:
        page = app.router.routes[-1].app  # type: ignore[attr-defined]
        cookies = (request.cookies.get(f"{kind}-{page.cookie_id}") for kind in ("access-token", "access-token-unsecure"))
        if not any(cookie in page.tokens for cookie in cookies):
            raise HTTPException(401, "Log in first")

    return check
