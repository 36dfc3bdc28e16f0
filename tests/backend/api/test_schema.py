"""Requests made from the API's own description, sensible and senseless: none brings a 5xx, and none is lost on the way."""

import sys
from collections.abc import Iterator

import pytest

if sys.version_info < (3, 11):
    pytest.skip("schemathesis needs Python 3.11", allow_module_level=True)

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error

import app
from backend.flags import parse_flags
from backend.service import GenerationService
from tests.backend.stage import open_service

TRIES = 15  # of each route
LARGEST = 128  # pixels: what a fake engine draws for nothing costs time as well
MOST = 4  # pictures


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GenerationService]:
    service = open_service(tmp_path_factory.mktemp("schema"), sd_model_checkpoint="tiny.safetensors")
    yield service
    service.close()


@pytest.fixture(scope="module")
def described(service: GenerationService) -> schemathesis.BaseSchema:
    flags = parse_flags(["--nowebui", "--api-server-stop", "--server-name", "testserver"])
    return schemathesis.openapi.from_asgi("/openapi.json", app.build(service, flags))


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("CRITICAL")  # every refusal is logged


def test_no_request_brings_a_server_error(described: schemathesis.BaseSchema):
    operations = [result.ok() for result in described.get_all_operations()]
    assert len(operations) > 40
    for operation in operations:
        _try(operation)


def _try(operation: schemathesis.APIOperation) -> None:
    @given(case=operation.as_strategy())
    @settings(max_examples=TRIES, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    def send(case: schemathesis.Case) -> None:
        if isinstance(case.body, dict):
            case.body = _small("", case.body)  # type: ignore[assignment]
        case.call_and_validate(checks=[not_a_server_error])

    send()


def _small(key: str, value: object) -> object:
    if isinstance(value, dict):
        return {inner: _small(inner, one) for inner, one in value.items()}
    if key in ("width", "height", "resize_x", "resize_y", "hr_resize_x", "hr_resize_y") and isinstance(value, int):
        return min(value, LARGEST)
    return min(value, MOST) if key in ("n_iter", "batch_size", "steps", "hr_scale", "upscaling_resize") and isinstance(value, int | float) else value
