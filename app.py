"""Composition root: flags → paths → engine → settings → catalog → service → FastAPI (/sdapi/v1, /internal) + Gradio (/) → uvicorn.

What takes long to import is imported inside functions, after the engine has been started: its imports run beside this process's.
"""

import logging
import os
import shlex
import socket
import sys
import webbrowser
from collections.abc import Sequence
from errno import EADDRINUSE
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import TYPE_CHECKING

from backend import logs
from backend.errors import WebUIError
from backend.exposure import Exposure, address, is_local, qr_code, urls
from backend.flags import Flags, parse_flags, unhonoured
from backend.paths import Paths
from backend.workers.process import ProcessWorker
from backend.workers.worker import Worker

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

    from backend.api.server import Stop
    from backend.service import GenerationService

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent
GRACE = 1  # seconds that open connections get at the end
WINDOWS_IN_USE = 10048  # WSAEADDRINUSE


def main(argv: Sequence[str]) -> int:
    """The exit status: 0 after Ctrl+C, 1 if the server could not start."""
    flags = parse_flags([*shlex.split(os.environ.get("COMMANDLINE_ARGS", "")), *argv])
    logs.configure(flags.loglevel or os.environ.get("SD_WEBUI_LOG_LEVEL", ""))
    if missing := unhonoured(flags):
        log.info("Not supported yet, and ignored: %s", ", ".join(missing))
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"  # read as gradio is imported
    try:
        with listen(flags) as listener:
            paths = Paths.from_flags(flags, ROOT)
            paths.ensure()
            worker = ProcessWorker(flags, paths, log_level=logging.getLevelName(logging.getLogger().level))
            try:
                again = serve(flags, paths, worker, listener)
            finally:
                worker.close()
        if again:
            log.info("Starting again")
            os.execv(sys.executable, [sys.executable, str(ROOT / "app.py"), *argv])
        log.info("Stopped")
    except WebUIError as error:
        log.error("%s", error)
        return 1
    except KeyboardInterrupt:
        log.info("Stopped")
    return 0


def listen(flags: Flags) -> socket.socket:
    """The bound socket, taken before anything else, so that a second start ends at once."""
    host, port = address(flags)
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as error:
        reason = "is in use by another program" if error.errno in (EADDRINUSE, WINDOWS_IN_USE) else f"cannot be opened ({error.strerror or error})"
        raise WebUIError(f"Port {port} on {host} {reason}. Stop that program, or choose another port with --port.") from error


def serve(flags: Flags, paths: Paths, worker: ProcessWorker, listener: socket.socket) -> bool:
    """Returns after Ctrl+C or a stop over the API, when every task and the engine have ended. True: the program is to start again."""
    import uvicorn

    from backend.background_hashes import hash_in_background
    from backend.watch import watch

    service = open_service(flags, paths, worker)
    ending = Ending(service)
    stop_watching = watch(service.catalog)
    stop_hashing = hash_in_background(service.catalog)
    config = uvicorn.Config(
        build(service, flags, ending.stop),
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=flags.timeout_keep_alive,
        timeout_graceful_shutdown=GRACE,
        ssl_keyfile=flags.tls_keyfile,
        ssl_certfile=flags.tls_certfile,
    )

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            announce(flags)

        def handle_exit(self, sig: int, frame: FrameType | None) -> None:
            ending.close_service()
            super().handle_exit(sig, frame)

    ending.server = Server(config)
    if not flags.skip_load_model_at_start:
        Thread(target=load_checkpoint, args=(service,), daemon=True).start()
    try:
        ending.server.run(sockets=[listener])
    finally:
        stop_hashing()
        stop_watching()
        service.close()
    return ending.restart


def load_checkpoint(service: "GenerationService") -> None:
    """So that the first picture need not wait for it, and it is known which textual inversions fit."""
    if not service.catalog.entries("checkpoint"):
        return  # the page says so
    try:
        service.load_checkpoint()
    except WebUIError as error:
        log.warning("%s", error)


class Ending:
    """How the program is asked to end from inside."""

    def __init__(self, service: "GenerationService") -> None:
        self.server: uvicorn.Server | None = None
        self.restart = False
        self._service = service

    def stop(self, restart: bool) -> None:
        self.restart = restart
        self.close_service()
        if self.server is not None:
            self.server.should_exit = True

    def close_service(self) -> None:
        """Whoever waits for a picture gets an answer, and the connection ends by itself."""
        Thread(target=self._service.close).start()


def open_service(flags: Flags, paths: Paths, worker: Worker) -> "GenerationService":
    """Settings, files, styles, extensions and the queue over them."""
    from backend.catalog import Catalog
    from backend.extension_store import update_all
    from backend.extensions import find_extensions, load_extensions
    from backend.frozen import frozen_settings
    from backend.hashes import HashCache
    from backend.prompts.style_file import StyleFiles
    from backend.service import GenerationService
    from backend.settings import SettingsStore

    settings = SettingsStore(paths.config_file, frozen_settings(flags))
    if flags.update_all_extensions:
        update_all(paths)
    hooks = load_extensions(find_extensions(paths, settings.current, flags), paths=paths, flags=flags, settings=settings.current)
    settings.declare(hooks.settings)
    catalog = Catalog(paths, HashCache(paths.cache / "hashes.db", hashing=not flags.no_hashing), hooks.added)
    return GenerationService(settings, catalog, worker, paths, StyleFiles(paths.styles_files), Exposure.of(flags), hooks)


def build(service: "GenerationService", flags: Flags, stop: "Stop" = lambda restart: None) -> "ASGIApp":
    """API, the page's own routes, the page, and the guard around all of them. stop: for --api-server-stop."""
    from fastapi import Depends, FastAPI
    from starlette.middleware.cors import CORSMiddleware

    from backend.api import errors
    from backend.api.access import GradioLogin, page_accounts, page_login
    from backend.api.docs import add_docs
    from backend.api.extension_routes import add_extension_page_routes, add_extension_routes
    from backend.api.request_log import RequestLog
    from backend.api.router import api_login, build_internal_router, build_ping, build_router
    from backend.api.v2 import build_v2_router
    from backend.extension_store import ExtensionStore
    from backend.guard import Guard
    from backend.subpath import SubPath

    app = FastAPI(title="Stable Diffusion", docs_url=None, redoc_url=None, openapi_url=None)
    errors.install(app)
    origins, origin_regex = flags.cors_allow_origins, flags.cors_allow_origins_regex
    if origins or origin_regex:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_origin_regex=origin_regex, allow_methods=["*"], allow_headers=["*"], allow_credentials=True
        )
    if flags.api_log:
        app.add_middleware(RequestLog)
    app.include_router(build_ping())
    if api_is_served(flags):
        app.include_router(build_router(service, flags, stop))
        app.include_router(build_internal_router(service, flags))
        app.include_router(build_v2_router(service, flags))
        add_extension_routes(app, service, flags)
        add_docs(app, api_login(flags))
    if not flags.nowebui:
        from ui import quick_import

        quick_import.leave_out_stubs()
        from ui import blocks, routes

        page = blocks.build(service)
        accounts = page_accounts(flags)
        store = ExtensionStore(service.paths, service.settings, flags, service.hooks)
        own = routes.build_routes(service, store, lambda: stop(True))
        login = [Depends(page_login(app))] if accounts else []
        app.include_router(own, dependencies=login)
        add_extension_page_routes(app, service, login)
        blocks.mount(app, page, accounts, head=blocks.page_head(theme=flags.theme or "", user_css=service.paths.user_css.is_file(), hooks=service.hooks))
        if accounts:
            app.add_middleware(GradioLogin, whole=app)
    inner = SubPath(app, flags.subpath) if flags.subpath else app
    return Guard(
        inner, names=[flags.server_name] if flags.server_name else [], origins=origins, origin_regex=origin_regex or "", uploads=service.exposure.changes
    )


def api_is_served(flags: Flags) -> bool:
    """Always for this machine; for others only if asked for, as in A1111."""
    return is_local(flags) or flags.api or flags.nowebui


def announce(flags: Flags) -> None:
    here, *elsewhere = urls(flags)
    log.info("Ready: %s%s", here, " (the API alone, under /sdapi/v1)" if flags.nowebui else "")
    if elsewhere:
        log.info("From other devices in the network: %s\n%s", " or ".join(elsewhere), qr_code(elsewhere[0]))
    if Exposure.of(flags).open and not flags.nowebui:
        log.warning("Anyone in the network can use this page: there is no password. --gradio-auth name:password sets one.")
    if flags.autolaunch and not flags.nowebui:
        Thread(target=webbrowser.open, args=(here,), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
