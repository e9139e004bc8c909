"""``/openapi.json``: it is what it says, and nothing that fits or misses it brings the service to a 500."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from tests.protocol.client import Probe

EXAMPLES = settings(
    max_examples=5, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
"""For each operation. What is wrong takes long to make: of that fewer."""


@pytest.fixture(scope="session")
def document(probe: Probe) -> dict[str, Any]:
    response = probe.get("openapi.json")
    assert response.headers["content-type"] == "application/json"
    return response.json()


def described(probe: Probe, document: dict[str, Any], mode: GenerationMode) -> BaseSchema:
    if mode is GenerationMode.NEGATIVE:
        # The validator that tells wrong bodies from right ones does not take the files that schemathesis makes for it.
        document = json.loads(json.dumps(document).replace('"format": "binary"', '"x-format": "binary"'))
    schema = schemathesis.openapi.from_dict(document)
    schema.validate()
    schema.config.update(base_url=probe.base)
    return schema


def test_a_script_is_described_by_its_descriptor(probe: Probe, document: dict[str, Any]):
    described = probe.get("scripts", "probe", RESPONSEFORMAT="json").json()
    post = document["paths"]["/api/scripts/probe/jobs"]["post"]
    for content in post["requestBody"]["content"].values():
        assert content["schema"] == {"$ref": "#/components/schemas/probe.parameters"}
    members = document["components"]["schemas"]["probe.parameters"]["properties"]
    assert "PHASE" in members
    assert "POS" not in members  # the probe takes no region
    for parameter in described["parameters"]:
        schema = members[parameter["name"]]
        assert parameter["description"] in schema["description"]
        for keyword in ("minimum", "maximum", "default"):
            assert schema.get(keyword) == parameter[keyword]
        assert schema.get("x-unit", "") == parameter["unit"]


def test_every_address_is_described(document: dict[str, Any]):
    for path, item in document["paths"].items():
        for operation in item.values():
            assert operation["summary"].endswith(".")
            named = {parameter["name"] for parameter in operation["parameters"] if parameter["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    ids = [operation["operationId"] for item in document["paths"].values() for operation in item.values()]
    assert len(ids) == len(set(ids))


@pytest.mark.timeout(300)  # some 500 requests, on a machine that may be busy
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_no_request_makes_a_500(
    request: pytest.FixtureRequest, document: dict[str, Any], probe: Probe, mode: GenerationMode
):
    # Below /tap/async and /soda/async are the handlers of every other job list. Events never end.
    schema = described(probe, document, mode).exclude(path_regex="^/(tap|soda)/async/|/events$")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 30
    if mode is GenerationMode.NEGATIVE:
        # What is wrong takes minutes to make: half for SQLite, half for PostgreSQL.
        operations = operations["embedded" in request.node.callspec.params.values() :: 2]
    for operation in operations:
        _fuzz(operation, mode, probe)


def _tame(parameters: dict[str, Any]) -> None:
    """Let no job run for days and write gigabytes, and nobody wait."""
    for name in ("WAIT", "SECONDS", "SIZE", "TASKS"):
        with suppress(TypeError, ValueError):
            if name in parameters and (float(parameters[name]) > 1 or name == "WAIT"):
                parameters[name] = 0


def _fuzz(operation: APIOperation, mode: GenerationMode, probe: Probe) -> None:
    @settings(EXAMPLES, max_examples=2 if mode is GenerationMode.NEGATIVE else EXAMPLES.max_examples)
    @given(operation.as_strategy(generation_mode=mode))
    def send(case: Case) -> None:
        if "script" in case.path_parameters:
            case.path_parameters["script"] = "probe"
        if "job" in case.path_parameters:
            case.path_parameters["job"] = probe.create().id
        for parameters in (case.query, case.body):
            if isinstance(parameters, dict):
                _tame(parameters)
        response = case.call(timeout=40, allow_redirects=False)
        assert response.status_code < 500, response.text
        case.validate_response(response, checks=[content_type_conformance, response_schema_conformance])

    try:
        send()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # an address without parameters cannot be asked for wrongly
