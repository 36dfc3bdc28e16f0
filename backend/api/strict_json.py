"""Bodies of requests as JSON: what Python takes beyond it is refused, since no answer could carry it back."""

import json
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import HTTPException, Request, Response
from fastapi.routing import APIRoute


class StrictRoute(APIRoute):
    """A route that answers NaN, numbers without end and halves of characters with 422."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(_Request(request.scope, request.receive))

        return handle_strictly


class _Request(Request):
    async def json(self) -> Any:
        if not hasattr(self, "_strict"):
            self._strict = parse(await self.body())
        return self._strict


def parse(body: bytes) -> Any:
    """Raises JSONDecodeError, and HTTPException for what only Python takes."""
    try:
        value = json.loads(body, parse_constant=_refuse_number, parse_float=_finite)
    except UnicodeDecodeError as error:
        raise HTTPException(422, "The body is not UTF-8.") from error
    except RecursionError as error:
        raise HTTPException(422, "The body is nested too deep.") from error
    if b"\\ud" in body or b"\\uD" in body:
        _refuse_halves(value)
    return value


def _finite(text: str) -> float:
    value = float(text)
    return value if abs(value) != float("inf") else _refuse_number(text)


def _refuse_number(text: str) -> float:
    raise HTTPException(422, f"The body holds {text[:40]}, which is no number that can be used.")


def _refuse_halves(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise HTTPException(422, "The body holds half of a character: \\ud800 to \\udfff come in pairs.") from error
