"""Asked over a real socket, in any protocol, the shop's models say what they say in process."""

import json
from typing import Any

import numpy as np
import pytest

from sluiceway.gateway.http.scoring import LARGE
from sluiceway.routing import in_canary
from tests.gateway.http.shopfront import (
    ONE,
    ROLLOUT,
    Shopfront,
    fitted_backends,
    open_shop,
    served_shop,
)

ORDERS = [
    {**ONE, "order_id": f"o-{n}", "amount": 10.0 + n, "signal": n / 20 - 1, "distance": 30.0 * n}
    for n in range(40)
]


def priorities(orders: list[dict[str, Any]]) -> list[float]:
    """The chain by hand: fraud by each order's arm, then what reads it."""
    models = {key: fitted.estimator for key, fitted in fitted_backends().items()}
    column = {name: np.array([order[name] for order in orders]) for name in orders[0]}
    given = np.column_stack([column["amount"], column["signal"]])
    one, two = (models["fraud", v].predict_proba(given)[:, 1] for v in ("1", "2"))
    fraud = np.where(in_canary(ROLLOUT, column["order_id"], 50), two, one)
    days = models["handling", "1"].predict(np.column_stack([column["distance"], fraud]))
    euros = models["cost", "1"].predict(np.column_stack([column["amount"], fraud]))
    return models["priority", "1"].predict(np.column_stack([days, euros])).tolist()


def split(orders: list[dict[str, Any]]) -> dict[str, Any]:
    return {"columns": list(orders[0]), "data": [list(order.values()) for order in orders]}


def columns(orders: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [order[name] for order in orders] for name in orders[0]}


def tensors(orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    kinds = {str: "BYTES", float: "FP64", int: "INT64"}
    return [
        {"name": n, "shape": [len(v)], "datatype": kinds[type(v[0])], "data": v}
        for n, v in columns(orders).items()
    ]


FORMS = {
    "split": lambda orders: {"dataframe_split": split(orders)},
    "records": lambda orders: {"dataframe_records": orders},
    "instances": lambda orders: {"instances": orders},
    "inputs": lambda orders: {"inputs": columns(orders)},
}


@pytest.mark.parametrize("count", [1, 40])
@pytest.mark.parametrize("form", FORMS)
def test_mlflow_forms_answer_what_the_chain_says(shop: Shopfront, form: str, count: int) -> None:
    orders = ORDERS[:count]
    answer = shop.client.post("/invocations/priority", json=FORMS[form](orders))
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/json"
    np.testing.assert_allclose(answer.json()["predictions"], priorities(orders), rtol=1e-12)


def test_csv_answers_the_same(shop: Shopfront) -> None:
    lines = [",".join(ORDERS[0]), *(",".join(map(str, order.values())) for order in ORDERS)]
    answer = shop.client.post(
        "/invocations/priority",
        content="\n".join(lines),
        headers={"content-type": "text/csv; charset=UTF-8"},
    )
    np.testing.assert_allclose(answer.json()["predictions"], priorities(ORDERS), rtol=1e-12)


@pytest.mark.parametrize("form", FORMS)
def test_large_bodies_answer_the_same(shop: Shopfront, form: str) -> None:
    orders = [{**ORDERS[n % 40], "order_id": f"o-{n}"} for n in range(4_000)]
    body = json.dumps(FORMS[form](orders))
    assert len(body) > LARGE
    headers = {"content-type": "application/json"}
    answer = shop.client.post("/invocations/priority", content=body, headers=headers)
    np.testing.assert_allclose(answer.json()["predictions"], priorities(orders), rtol=1e-12)


def test_open_inference_answers_the_same(shop: Shopfront) -> None:
    body = {"id": "42", "inputs": tensors(ORDERS), "outputs": [{"name": "score"}]}
    answer = shop.client.post("/v2/models/priority/infer", json=body).json()
    assert (answer["model_name"], answer["id"]) == ("priority", "42")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("score", "FP64", [40])
    np.testing.assert_allclose(output["data"], priorities(ORDERS), rtol=1e-12)
    assert "model_version" not in answer, "two versions of the chain answered"


def test_every_row_says_its_arm(shop: Shopfront) -> None:
    units = [order["order_id"] for order in ORDERS]
    body = {"dataframe_records": ORDERS}
    said = shop.client.post("/invocations/priority", json=body).json()["sluiceway"]
    arms = np.where(in_canary(ROLLOUT, units, 50), "candidate", "baseline").tolist()
    assert [row["arm"] for row in said["rows"]] == arms
    assert {row["rollout"] for row in said["rows"]} == {ROLLOUT}
    assert len({row["release"] for row in said["rows"]}) == 2
    assert (said["generation"], said["revision"], said["sticky"]) == (3, 7, True)
    inferred = shop.client.post("/v2/models/priority/infer", json={"inputs": tensors(ORDERS)})
    parameters = inferred.json()["parameters"]
    assert [row["arm"] for row in json.loads(parameters["rows"])] == arms


def test_rows_that_are_alike_are_described_once(shop: Shopfront) -> None:
    units = [order["order_id"] for order in ORDERS]
    alike = [o for o, moved in zip(ORDERS, in_canary(ROLLOUT, units, 50), strict=True) if moved]
    answer = shop.client.post("/invocations/priority", json={"dataframe_records": alike}).json()
    assert len(answer["predictions"]) == len(alike) > 1
    assert [row["arm"] for row in answer["sluiceway"]["rows"]] == ["candidate"]


def test_what_stood_in_is_said(shop: Shopfront) -> None:
    down = [ORDERS[0], {**ORDERS[0], "order_id": "down-1"}, {**ORDERS[0], "order_id": "down-2"}]
    down[0] = {**down[0], "order_id": "down"}
    body = {"dataframe_records": [*down, {**ORDERS[1], "order_id": "o-1"}]}
    rows = shop.client.post("/invocations/priority", json=body).json()["sluiceway"]["rows"]
    assert [row["stand_ins"] for row in rows] == [{"handling": "error"}] * 3 + [{}]


def test_one_version_can_be_asked(shop: Shopfront) -> None:
    models = fitted_backends()
    given = [[ONE["amount"], ONE["signal"]]]
    for version in ("1", "2"):
        wanted = models["fraud", version].estimator.predict_proba(given)[0, 1]
        path = f"/invocations/fraud/versions/{version}"
        said = shop.client.post(path, json={"dataframe_records": [ONE]}).json()
        assert said["predictions"] == [pytest.approx(wanted, rel=1e-12)]
        path = f"/v2/models/fraud/versions/{version}/infer"
        said = shop.client.post(path, json={"inputs": tensors([ONE])}).json()
        assert said["outputs"][0]["data"] == [pytest.approx(wanted, rel=1e-12)]
        assert said["model_version"] == version


def test_headers_say_unit_time_consumer_and_arm(shop: Shopfront) -> None:
    order = {name: value for name, value in ONE.items() if name != "order_id"}
    headers = {
        "x-sluiceway-unit": "o-é",
        "x-sluiceway-event-time": "2026-01-05T10:00:00+01:00",
        "x-sluiceway-consumer": "worklist",
        "x-sluiceway-arm": "Candidate",
        "x-request-id": "mine-1",
    }
    sent = [(name.encode(), value.encode()) for name, value in headers.items()]
    body = {"dataframe_records": [order]}
    answer = shop.client.post("/invocations/fraud", json=body, headers=sent)
    assert answer.headers["x-request-id"] == "mine-1"
    assert answer.json()["sluiceway"]["request_id"] == "mine-1"
    assert answer.json()["sluiceway"]["rows"][0]["arm"] == "candidate"
    question = shop.engine.questions[-1]
    assert (question.units, question.consumer, question.forced) == (
        ("o-é",),
        "worklist",
        "candidate",
    )
    assert question.event_time is not None
    assert question.event_time.tolist()[0].isoformat() == "2026-01-05T09:00:00"
    assert "order_id" not in question.columns


def test_an_insane_request_id_is_replaced(shop: Shopfront) -> None:
    made = set()
    for given in ("a b", "x" * 129, 'é"', ""):
        answer = shop.client.get("/ping", headers={"x-request-id": given.encode()})
        made.add(answer.headers["x-request-id"])
        assert answer.headers["x-request-id"] != given
    assert len(made) == 4


def test_requests_as_units_are_said_to_be_non_sticky() -> None:
    with open_shop(served=served_shop(unit="request")) as front:
        body = {"dataframe_records": [ONE, ONE]}
        answer = front.client.post("/invocations/fraud", json=body, headers={"x-request-id": "q"})
        assert answer.json()["sluiceway"]["sticky"] is False
        assert front.engine.questions[-1].units == ("q/0", "q/1")
        metadata = front.client.get("/v2/models/fraud").json()
        assert [one["name"] for one in metadata["inputs"]] == ["amount", "hour", "signal"]


def test_metadata_names_every_feature_of_the_chain(shop: Shopfront) -> None:
    said = shop.client.get("/v2/models/priority").json()
    assert {one["name"]: one["datatype"] for one in said["inputs"]} == {
        "order_id": "BYTES",
        "amount": "FP64",
        "hour": "FP64",
        "signal": "FP64",
        "distance": "FP64",
        "kind": "BYTES",
    }
    assert said["outputs"] == [{"name": "score", "datatype": "FP64", "shape": [-1]}]
    assert shop.client.get("/v2/models/fraud").json()["versions"] == ["1", "2"]
    assert shop.client.get("/v2/models/fraud/versions/2").json()["versions"] == ["2"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"live": True, "ready": True}),
        ("/v2/models/fraud/ready", {"name": "fraud", "ready": True}),
        ("/v2/models/fraud/versions/2/ready", {"name": "fraud", "ready": True}),
        ("/health", {"ready": True, "generation": 3, "revision": 7}),
    ],
)
def test_probes_say_that_models_answer(shop: Shopfront, path: str, said: dict[str, Any]) -> None:
    answer = shop.client.get(path)
    assert (answer.status_code, answer.json()) == (200, said)


def test_the_server_says_what_it_is(shop: Shopfront) -> None:
    said = shop.client.get("/v2").json()
    assert said == shop.client.get("/v2/").json()
    assert said["name"] == "sluiceway"
    assert shop.client.get("/version").text == said["version"]
    assert shop.client.get("/ping").text == "\n"
    assert "server" not in shop.client.get("/ping").headers


def test_before_anything_is_loaded_probes_say_so() -> None:
    with open_shop(served=None) as front:
        assert front.client.get("/v2/health/live").status_code == 200
        for path in ("/ping", "/health", "/v2/health/ready"):
            assert front.client.get(path).status_code == 503
        answer = front.client.post("/invocations/fraud", json={"dataframe_records": [ONE]})
        assert (answer.status_code, answer.json()["code"]) == (503, "not_ready")
        assert answer.headers["retry-after"] == "1"
        front.engine.served = served_shop()
        assert front.client.get("/v2/health/ready").json()["ready"] is True
