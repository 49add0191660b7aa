"""Tokens are wanted as soon as strangers could ask, and never shown."""

import logging
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from sluiceway.errors import BadInput
from sluiceway.gateway.http.access import TOKENS, Access, Role, access_of, is_local
from sluiceway.gateway.http.app import RouteGroup
from sluiceway.gateway.http.edge import call_of
from sluiceway.gateway.http.server import Listening, bound
from sluiceway.serving.refusals import RefusalCode, Refused
from tests.gateway.http.shopfront import ONE, Shopfront, open_shop, served_shop

PREDICTS = "predict-aaaaaaaaaaaaaaaa"
LABELS = "labels-bbbbbbbbbbbbbbbbbb"
OPERATES = "operate-cccccccccccccccc"
TEXT = f"predict:{PREDICTS}, feed=label:{LABELS},ana=operate+predict:{OPERATES}"
RECORDS = {"dataframe_records": [ONE]}


async def label(request: Request) -> JSONResponse:
    if request.query_params.get("unit") == "nobody":
        raise Refused(RefusalCode.UNKNOWN_UNIT, "nothing was ever answered to nobody")
    call = call_of(request.scope)
    held = await request.json()
    return JSONResponse({"by": call.caller.name, "held": held}, status_code=201)


@pytest.fixture(scope="module")
def guarded() -> Iterator[Shopfront]:
    group = RouteGroup(
        role=Role.LABEL,
        routes=[Route("/labels", label, methods=["POST"])],
        paths={"/labels": {"post": {"responses": {"201": {"description": "Kept."}}}}},
    )
    access = access_of({TOKENS: TEXT})
    with open_shop(served=served_shop(weight=50), access=access, groups=[group]) as front:
        yield front


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def test_tokens_are_read_with_their_roles_and_kept_as_digests_only() -> None:
    access = access_of({TOKENS: TEXT})
    assert [(t.name, sorted(t.roles)) for t in access.tokens] == [
        ("token-1", ["predict"]),
        ("feed", ["label"]),
        ("ana", ["operate", "predict"]),
    ]
    for token in (PREDICTS, LABELS, OPERATES):
        assert token not in repr(access)
    assert access_of({}).tokens == access_of({TOKENS: " , "}).tokens == ()


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        ("secretsecretsecretsecret", "[NAME=]ROLE[+ROLE…]:TOKEN is right"),
        ("admin:secretsecretsecretsecret", "the roles are predict, label, operate"),
        (":secretsecretsecretsecret", "the roles are predict, label, operate"),
        ("predict:secret", "a token is 20 or more"),
        ("predict:secret secret secret secret", "a token is 20 or more"),
        ("a b=predict:secretsecretsecretsecret", "a name is"),
        (f"label:{PREDICTS}", "there already"),
        (f"token-1=label:{LABELS}", "there already"),
    ],
)
def test_a_bad_token_is_refused_and_never_repeated(entry: str, what: str) -> None:
    with pytest.raises(BadInput) as refused:
        access_of({TOKENS: f"predict:{PREDICTS},{entry}"})
    (fault,) = refused.value.faults
    assert fault.where == f"{TOKENS}: entry 2"
    assert what in fault.what
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("localhost", True),
        ("/run/gateway.sock", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("gateway.example", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_only_this_machine_may_be_without_tokens(host: str, local: bool) -> None:
    assert is_local(host) is local
    access_of({TOKENS: TEXT}).check_listening(host)
    if local:
        Access().check_listening(host)
        return
    with pytest.raises(BadInput, match=TOKENS):
        bound(Listening(host=host, port=0), Access())


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": "Bearer"},
        bearer(PREDICTS[:-1]),
        bearer(PREDICTS + "x"),
        {"authorization": f"Basic {PREDICTS}"},
        {"authorization": PREDICTS},
        {"authorization": b"Bearer \xff\xfe"},
    ],
)
def test_whoever_has_no_token_is_told_so(guarded: Shopfront, headers: dict[str, str]) -> None:
    for method, path in (("POST", "/invocations/fraud"), ("GET", "/metrics"), ("GET", "/nope")):
        answer = guarded.client.request(method, path, json=RECORDS, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/ping", "/health", "/v2/health/live", "/v2/health/ready"])
def test_probes_need_no_token(guarded: Shopfront, path: str) -> None:
    assert guarded.client.get(path).status_code == 200


def test_each_role_may_do_its_own(guarded: Shopfront) -> None:
    for token, asks, labels in (
        (PREDICTS, 200, 403),
        (LABELS, 403, 201),
        (OPERATES, 200, 403),
    ):
        post = guarded.client.post
        asked = post("/invocations/fraud", json=RECORDS, headers=bearer(token))
        labelled = post("/labels", json={"a": 1}, headers=bearer(token))
        assert (asked.status_code, labelled.status_code) == (asks, labels)
        assert guarded.client.get("/metrics", headers=bearer(token)).status_code == 200


def test_routes_of_others_share_identity_limits_and_the_shape_of_errors(
    guarded: Shopfront,
) -> None:
    post = guarded.client.post
    answer = post("/labels", json={"a": 1}, headers=bearer(LABELS) | {"x-request-id": "q-1"})
    assert answer.json() == {"by": "feed", "held": {"a": 1}}
    assert answer.headers["x-request-id"] == "q-1"
    answer = post("/labels?unit=nobody", json={}, headers=bearer(LABELS))
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_unit")
    answer = post("/labels", content=b"x" * 5_000_000, headers=bearer(LABELS))
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    assert guarded.client.get("/labels", headers=bearer(LABELS)).status_code == 405
    described = guarded.client.get("/openapi.json", headers=bearer(LABELS)).json()
    assert "/labels" in described["paths"]
    assert described["security"] == [{"token": []}]


def test_an_arm_is_chosen_by_operators_only_and_audited(
    guarded: Shopfront, caplog: pytest.LogCaptureFixture
) -> None:
    arm = {"x-sluiceway-arm": "baseline"}
    post = guarded.client.post
    refused = post("/invocations/fraud", json=RECORDS, headers=bearer(PREDICTS) | arm)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    with caplog.at_level(logging.INFO, logger="sluiceway.gateway.audit"):
        answer = post("/invocations/fraud", json=RECORDS, headers=bearer(OPERATES) | arm)
    assert answer.json()["sluiceway"]["rows"][0]["arm"] == "baseline"
    (record,) = [one for one in caplog.records if one.name == "sluiceway.gateway.audit"]
    said = vars(record)
    assert (said["caller"], said["model"], said["arm"]) == ("ana", "fraud", "baseline")
    counted = guarded.metrics.text().decode()
    assert 'sluiceway_forced_arms_total{arm="baseline",model="fraud"} 1.0' in counted


def test_no_token_is_in_any_log(guarded: Shopfront, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for token in (PREDICTS, "wrong" + LABELS):
            broken = {"dataframe_records": [{**ONE, "order_id": "broken"}]}
            guarded.client.post("/invocations/fraud", json=broken, headers=bearer(token))
    assert caplog.records
    for record in caplog.records:
        if record.name.startswith("sluiceway"):
            assert PREDICTS not in str(vars(record))
            assert LABELS not in str(vars(record))
