"""Deliveries of MLflow's webhook: whether one is genuine and fresh, and what it says.

What it says is a hint: the registry is asked before anything is believed.
"""

import base64
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import sha256
from typing import Annotated, Any, Final

from pydantic import BaseModel, StringConstraints, ValidationError

ID_HEADER: Final = "x-mlflow-delivery-id"
TIMESTAMP_HEADER: Final = "x-mlflow-timestamp"
SIGNATURE_HEADER: Final = "x-mlflow-signature"
VERSION: Final = "v1"
FRESH_FOR: Final = timedelta(minutes=5)
"""How long after, and before, its own time a delivery counts; MLflow's retries keep the time."""
BODY_LIMIT: Final = 64 * 1024
"""Bytes of a body; MLflow's are some hundreds and what people wrote into tags and descriptions."""
_LONGEST_ID: Final = 200


class DeliveryFault(StrEnum):
    """Why a delivery is not listened to."""

    UNSIGNED = "unsigned"
    FORGED = "forged"
    STALE = "stale"
    OVERSIZED = "oversized"
    UNREADABLE = "unreadable"


class Refused(Exception):
    """A delivery that is not listened to.

    Attributes:
        fault: Why.
    """

    def __init__(self, fault: DeliveryFault, what: str) -> None:
        self.fault = fault
        super().__init__(what)


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """A version that MLflow says was registered.

    Attributes:
        delivery_id: Of the delivery that said so; its retries have the same.
    """

    delivery_id: str
    model: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A genuine, fresh delivery.

    Attributes:
        registration: What it is about; None where it is about anything but a new model version.
        about: ``entity.action``, as MLflow names it.
    """

    delivery_id: str
    about: str
    registration: Registration | None


def signature_of(secret: str, delivery_id: str, timestamp: str, body: bytes) -> str:
    """How MLflow signs a delivery."""
    signed = f"{delivery_id}.{timestamp}.".encode() + body
    digest = hmac.new(secret.encode(), signed, sha256).digest()
    return f"{VERSION},{base64.b64encode(digest).decode()}"


def read_delivery(
    headers: Mapping[str, str], body: bytes, *, secrets: Sequence[str], now: datetime
) -> Delivery:
    """Believe a delivery, or refuse it.

    Args:
        headers: By lower-case name.
        secrets: Those that count; several while one takes the other's place.
        now: The time (UTC).

    Raises:
        Refused: It is unsigned, forged, stale, too large or unreadable, looked at in this order:
            nothing of a body is read that nobody has signed.
    """
    delivery_id, timestamp, signature = (
        headers.get(name, "") for name in (ID_HEADER, TIMESTAMP_HEADER, SIGNATURE_HEADER)
    )
    if not (delivery_id and timestamp and signature):
        raise Refused(DeliveryFault.UNSIGNED, "it is not signed; give the webhook a secret")
    if len(body) > BODY_LIMIT:
        raise Refused(DeliveryFault.OVERSIZED, f"its body has more than {BODY_LIMIT} bytes")
    given = signature.encode("utf-8", "surrogateescape")
    genuine = [
        hmac.compare_digest(signature_of(one, delivery_id, timestamp, body).encode(), given)
        for one in secrets
    ]
    if not any(genuine):
        raise Refused(DeliveryFault.FORGED, "its signature is not that of our secret")
    _is_fresh(timestamp, now)
    if len(delivery_id) > _LONGEST_ID:
        raise Refused(DeliveryFault.UNREADABLE, "its id is too long")
    return _read(delivery_id, body)


def _is_fresh(timestamp: str, now: datetime) -> None:
    try:
        sent = datetime.fromtimestamp(int(timestamp), tz=UTC)
    except (ValueError, OverflowError, OSError):
        raise Refused(DeliveryFault.UNREADABLE, "its time is no number of seconds") from None
    if abs(now - sent) > FRESH_FOR:
        seconds = int(FRESH_FOR.total_seconds())
        what = f"it was sent on {sent:%Y-%m-%d %H:%M:%S} UTC, more than {seconds} s from now"
        raise Refused(DeliveryFault.STALE, what)


class _Body(BaseModel):
    entity: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    action: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    data: dict[str, Any] = {}


class _Version(BaseModel):
    name: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    version: Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]


def _read(delivery_id: str, body: bytes) -> Delivery:
    try:
        said = _Body.model_validate_json(body)
        about = f"{said.entity}.{said.action}"
        if about != "model_version.created":
            return Delivery(delivery_id=delivery_id, about=about, registration=None)
        version = _Version.model_validate(said.data)
    except ValidationError as error:
        found = "; ".join(
            f"{'.'.join(map(str, one['loc'])) or 'body'}: {one['msg']}" for one in error.errors()
        )
        raise Refused(DeliveryFault.UNREADABLE, f"it is no delivery of MLflow: {found}") from None
    registration = Registration(
        delivery_id=delivery_id, model=version.name, version=version.version
    )
    return Delivery(delivery_id=delivery_id, about=about, registration=registration)
