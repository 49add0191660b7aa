"""The OpenAPI document says what the gateway does, and schemathesis finds no contradiction."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import load_all_checks, not_a_server_error
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.gateway.http.shopfront import KINDS, Shopfront, shop_process

load_all_checks()

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.fixture(scope="module")
def document(shop: Shopfront) -> dict[str, Any]:
    described: dict[str, Any] = shop.client.get("/openapi.json").json()
    return described


def test_it_names_every_model_with_its_columns(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    assert {path for path in document["paths"] if path.startswith("/invocations/")} == {
        f"/invocations/{model}{version}"
        for model in ("fraud", "handling", "cost", "priority")
        for version in ("", "/versions/{version}")
    }
    row = document["components"]["schemas"]["priority.row"]["properties"]
    assert row["amount"]["minimum"] == 0
    assert row["amount"]["maximum"] == 1000
    assert row["kind"]["enum"] == [*KINDS, None]
    assert "order_id" in row
    version = document["paths"]["/invocations/fraud/versions/{version}"]["parameters"][0]
    assert version["schema"]["enum"] == ["1", "2"]


def test_every_example_is_answered(shop: Shopfront, document: dict[str, Any]) -> None:
    tried = 0
    for path, item in document["paths"].items():
        if "post" not in item:
            continue
        path = path.replace("{version}", "1")
        for kind, content in item["post"]["requestBody"]["content"].items():
            examples = content.get("examples", {"": {"value": content.get("example")}})
            for example in examples.values():
                held = {"content": example["value"]} if kind == "text/csv" else {}
                held = held or {"json": example["value"]}
                answer = shop.client.post(path, headers={"content-type": kind}, **held)
                assert answer.status_code == 200, (path, answer.text)
                tried += 1
    assert tried == 8 * 5


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[str]:
    with shop_process() as (url, process):
        yield url
        assert process.poll() is None, "the worker was lost"


def test_schemathesis_finds_nothing(elsewhere: str) -> None:
    schema = schemathesis.openapi.from_url(f"{elsewhere}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 4 * 8 + 7
    statuses: set[int] = set()
    with httpx.Client(base_url=elsewhere, timeout=30, trust_env=False) as client:
        for operation in operations:
            # The models share their routes: a few requests to each are many to every route.
            for case in _cases(operation, 12 if operation.method == "post" else 2):
                answer = case.call(base_url=elsewhere)
                assert isinstance(answer, Response)
                case.validate_response(answer, checks=CHECKS)
                statuses.add(answer.status_code)
        assert client.get("/ping").status_code == 200
    assert {200, 422} <= statuses


def _cases(operation: Any, count: int) -> list[Any]:
    cases: list[Any] = []

    @settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy())
    def collect(case: Any) -> None:
        cases.append(case)

    collect()
    return cases
