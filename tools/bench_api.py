"""Requests per second, and what the road through the API adds to a picture: queue, plan, saving, PNG in base64, HTTP.

python -m tools.bench_api [CHECKPOINT] [--size 256] [--steps 4] [--pictures 5] [--requests 300]

The engine runs in this process (LocalWorker), once alone and once behind the API on a real port, with the same job; the two take turns, so that a busy
machine disturbs both alike, and the quickest picture of each counts.
"""

import argparse
import http.client
import json
import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Thread

DEMO = Path(__file__).parents[1] / "models" / "Stable-diffusion"
LISTS = ("/internal/ping", "/sdapi/v1/progress", "/sdapi/v1/samplers", "/sdapi/v1/options", "/api/v2/jobs")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", help="the demo model, if none is given")
    parser.add_argument("--size", type=int, default=256, help="pixels, width and height")
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--pictures", type=int, default=5)
    parser.add_argument("--requests", type=int, default=300)
    given = parser.parse_args()
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        measure(given, given.checkpoint or next(DEMO.glob("*.safetensors")), Path(folder))


def measure(given: argparse.Namespace, checkpoint: Path, folder: Path) -> None:
    import app
    from backend.flags import parse_flags
    from backend.generate import Engine
    from backend.paths import Paths
    from backend.progress import CancelToken
    from backend.workers.local import LocalWorker

    flags = parse_flags(["--nowebui", "--data-dir", str(folder), "--ckpt", str(checkpoint.absolute())])
    paths = Paths.from_flags(flags, folder)
    paths.ensure()
    worker = LocalWorker(Engine.from_flags(flags, paths))  # type: ignore[arg-type]
    service = app.open_service(flags, paths, worker)
    try:
        with served(app.build(service, flags)) as connection:
            fields = {"prompt": "a red apple", "width": given.size, "height": given.size, "steps": given.steps, "sampler_name": "Euler", "save_images": True}

            def through_api(number: int) -> None:
                ask(connection, "POST", "/sdapi/v1/txt2img", {**fields, "seed": number})

            through_api(0)
            plan = service.tasks()[-1].plan
            assert plan is not None
            job = plan.jobs[0]

            def alone(number: int) -> None:
                for _ in worker.run(replace(job, seeds=(number,)), lambda event: None, CancelToken()):
                    pass

            seconds = {"alone": list[float](), "api": list[float]()}
            for number in range(1, given.pictures + 1):
                seconds["alone"].append(timed(alone, number))
                seconds["api"].append(timed(through_api, number))
            report(min(seconds["alone"]), min(seconds["api"]), given)
            for path in LISTS:
                each = timed(lambda _, path=path: [ask(connection, "GET", path) for _ in range(given.requests)], 0) / given.requests
                print(f"GET {path:24} {1 / each:8.0f} requests/s, one after another")
    finally:
        service.close()


def report(alone: float, api: float, given: argparse.Namespace) -> None:
    print(f"{given.size} x {given.size}, {given.steps} steps")
    print(f"engine alone       {alone:8.3f} s")
    print(f"through the API    {api:8.3f} s   {1000 * (api - alone):.0f} ms more, ratio {api / alone:.3f}")


def timed(do: Callable[[int], object], number: int) -> float:
    began = time.perf_counter()
    do(number)
    return time.perf_counter() - began


def ask(connection: http.client.HTTPConnection, method: str, path: str, body: object = None) -> bytes:
    connection.request(method, path, None if body is None else json.dumps(body), {"content-type": "application/json"})
    answer = connection.getresponse()
    data = answer.read()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status} {data[:300]!r}")
    return data


@contextmanager
def served(application: object) -> Iterator[http.client.HTTPConnection]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(application, port=0, log_config=None, access_log=False, timeout_keep_alive=600, timeout_graceful_shutdown=1))  # type: ignore[arg-type]
    thread = Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.02)
    connection = http.client.HTTPConnection("127.0.0.1", server.servers[0].sockets[0].getsockname()[1])
    yield connection
    connection.close()
    server.should_exit = True
    thread.join(10)


if __name__ == "__main__":
    main()
