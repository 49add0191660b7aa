"""Only what MLflow signed with our secret, minutes ago, is listened to."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.webhooks.delivery import _generate_hmac_signature

from sluiceway.registrations import (
    BODY_LIMIT,
    FRESH_FOR,
    ID_HEADER,
    SIGNATURE_HEADER,
    TIMESTAMP_HEADER,
    DeliveryFault,
    Refused,
    read_delivery,
    signature_of,
)

SECRET = "a secret of the webhook"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
VERSION = {
    "entity": "model_version",
    "action": "created",
    "timestamp": NOW.isoformat(),
    "data": {"name": "fraud", "version": "7", "run_id": None, "tags": {"é": "|"}, "source": "x"},
}
BODY = json.dumps(VERSION).encode()


def signed(
    body: bytes = BODY, *, at: datetime = NOW, secret: str = SECRET, delivery_id: str = "d1"
) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    signature = signature_of(secret, delivery_id, stamp, body)
    return {ID_HEADER: delivery_id, TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature}


def fault(headers: dict[str, str], body: bytes = BODY) -> DeliveryFault:
    with pytest.raises(Refused) as refused:
        read_delivery(headers, body, secrets=[SECRET], now=NOW)
    assert SECRET not in str(refused.value)
    return refused.value.fault


def test_we_sign_as_mlflow_does() -> None:
    theirs = _generate_hmac_signature(SECRET, "d1", "1777636800", BODY.decode())
    assert signature_of(SECRET, "d1", "1777636800", BODY) == theirs


def test_a_genuine_delivery_says_which_version_was_registered() -> None:
    found = read_delivery(signed(), BODY, secrets=["another", SECRET], now=NOW)
    assert found.registration is not None
    said = (found.registration.model, found.registration.version, found.registration.delivery_id)
    assert said == ("fraud", "7", "d1")
    other = json.dumps({**VERSION, "action": "updated"}).encode()
    found = read_delivery(signed(other), other, secrets=[SECRET], now=NOW)
    assert (found.registration, found.about) == (None, "model_version.updated")


def test_nothing_that_is_not_ours_is_listened_to() -> None:
    right = signed()
    for name in right:
        assert fault({**right, name: ""}) is DeliveryFault.UNSIGNED, name
    assert fault(signed(secret="guessed")) is DeliveryFault.FORGED
    assert fault(right, BODY + b" ") is DeliveryFault.FORGED
    assert fault({**right, ID_HEADER: "d2"}) is DeliveryFault.FORGED
    later = str(int(NOW.timestamp()) + 1)
    assert fault({**right, TIMESTAMP_HEADER: later}) is DeliveryFault.FORGED
    bare = right[SIGNATURE_HEADER].removeprefix("v1,")
    for signature in (bare, f"v2,{bare}", "v1,", "ü", "\udcff"):
        assert fault({**right, SIGNATURE_HEADER: signature}) is DeliveryFault.FORGED


@pytest.mark.parametrize("away", [FRESH_FOR, -FRESH_FOR])
def test_what_was_sent_long_ago_or_will_be_is_stale(away: timedelta) -> None:
    assert read_delivery(signed(at=NOW - away), BODY, secrets=[SECRET], now=NOW).registration
    beyond = away + timedelta(seconds=1) * (1 if away > timedelta(0) else -1)
    assert fault(signed(at=NOW - beyond)) is DeliveryFault.STALE


@pytest.mark.parametrize("stamp", ["soon", "1e9", "9" * 30, "-" + "9" * 18, "١٢", "nan"])
def test_a_time_that_is_none_is_unreadable(stamp: str) -> None:
    headers = {**signed(), TIMESTAMP_HEADER: stamp}
    headers[SIGNATURE_HEADER] = signature_of(SECRET, "d1", stamp, BODY)
    assert fault(headers) in (DeliveryFault.UNREADABLE, DeliveryFault.STALE)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"\xff",
        b'{"entity": "model_version"}',
        json.dumps({**VERSION, "data": {"name": "fraud"}}).encode(),
        json.dumps({**VERSION, "data": {"name": "fraud", "version": "../2"}}).encode(),
        json.dumps({**VERSION, "data": {"name": "", "version": "2"}}).encode(),
        json.dumps({**VERSION, "data": None}).encode(),
    ],
)
def test_signed_nonsense_is_unreadable(body: bytes) -> None:
    assert fault(signed(body), body) is DeliveryFault.UNREADABLE


def test_a_body_has_a_limit() -> None:
    large = b" " * (BODY_LIMIT + 1)
    assert fault(signed(large), large) is DeliveryFault.OVERSIZED


@given(st.binary(max_size=400), st.text(max_size=40), st.text(max_size=20), st.text(max_size=60))
def test_whatever_a_stranger_sends_is_refused(
    body: bytes, delivery_id: str, stamp: str, signature: str
) -> None:
    headers = {ID_HEADER: delivery_id, TIMESTAMP_HEADER: stamp, SIGNATURE_HEADER: signature}
    assert fault(headers, body) in (DeliveryFault.UNSIGNED, DeliveryFault.FORGED)
