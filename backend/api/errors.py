"""Exceptions → A1111's error body: {"error", "detail", "body", "errors"}. The second of the three doors."""

import logging

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

from backend.errors import WebUIError

log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Bodies that do not fit the schema are answered by FastAPI itself: 422 and a list of places."""

    @app.exception_handler(WebUIError)
    async def explain(request: Request, error: WebUIError) -> JSONResponse:
        return _answer(error.status, type(error).__name__, detail=str(error), errors=str(error))

    @app.exception_handler(HTTPException)
    async def repeat(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(_body("HTTPException", detail=error.detail, errors=""), error.status_code, headers=error.headers)

    @app.exception_handler(Exception)
    async def apologize(request: Request, error: Exception) -> JSONResponse:  # Starlette raises it again, so that the server logs it
        return _answer(500, type(error).__name__, detail="", errors=str(error))


def _answer(status: int, kind: str, *, detail: str, errors: str) -> JSONResponse:
    return JSONResponse(_body(kind, detail=detail, errors=errors), status)


def _body(kind: str, *, detail: object, errors: str) -> dict[str, object]:
    return {"error": kind, "detail": detail, "body": "", "errors": errors}
