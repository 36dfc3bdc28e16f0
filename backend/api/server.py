"""The program itself: what it is made of, and how to stop it (--api-server-stop)."""

import os
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from importlib.metadata import distributions
from typing import Any

import psutil
from fastapi import APIRouter
from fastapi.responses import JSONResponse

from backend.api.options import shown_flags
from backend.flags import Flags
from backend.infotext import VERSION
from backend.service import GenerationService
from backend.settings import Settings

Stop = Callable[[bool], None]  # True: start again afterwards


def add_server(router: APIRouter, stop: Stop) -> None:
    """Each answers before the program ends: a picture in the making is interrupted first and kept."""

    @router.post("/server-kill")
    async def server_kill() -> None:
        stop(False)

    @router.post("/server-stop")
    async def server_stop() -> str:
        stop(False)
        return "Stopping."

    @router.post("/server-restart")
    async def server_restart() -> str:
        stop(True)
        return "Restarting."


def add_sysinfo(router: APIRouter, service: GenerationService, flags: Flags) -> None:
    @router.get("/internal/sysinfo")
    def read_sysinfo(attachment: bool = False) -> JSONResponse:
        headers = {"Content-Disposition": 'attachment; filename="sysinfo.json"'} if attachment else {}
        return JSONResponse(sysinfo(service, flags), headers=headers)

    @router.get("/internal/sysinfo-download")
    def download_sysinfo() -> JSONResponse:
        return read_sysinfo(attachment=True)


def sysinfo(service: GenerationService, flags: Flags) -> dict[str, Any]:
    """For bug reports: no password, no user name, no environment."""
    memory, defaults = psutil.virtual_memory(), Settings().as_dict()
    return {
        "Platform": platform.platform(),
        "Python": platform.python_version(),
        "Version": VERSION,
        "Commandline": {name: value for name, value in shown_flags(flags).items() if value != asdict(Flags())[name]},
        "CPU": {"model": platform.processor(), "count logical": os.cpu_count(), "count physical": psutil.cpu_count(logical=False)},
        "RAM": {"total": memory.total, "used": memory.used, "free": memory.available},
        "Engine": service.engine_status(),
        "Memory": service.memory(),
        "Extensions": [],
        "Config": {key: value for key, value in service.settings.current.as_dict().items() if value != defaults[key]},
        "Packages": sorted(f"{package.metadata['Name']}=={package.version}" for package in distributions()),
        "Executable": os.path.basename(sys.executable),
    }
