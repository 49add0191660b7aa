"""Which versions MLflow has of a model, and the webhook by which it tells of new ones."""

from datetime import UTC, datetime
from typing import Any, Final

from mlflow.entities.model_registry import ModelVersion
from mlflow.entities.webhook import Webhook, WebhookEvent
from mlflow.tracking import MlflowClient

from sluiceway.arrivals import REGISTERED_BY_TAG, RELEASE_NAME_TAG, Arrival

WEBHOOK: Final = "sluiceway"
"""Name of the webhook in MLflow; there is one of it."""
_READY: Final = "READY"
_PAGE: Final = 200


def named(model: str) -> str:
    """MLflow's filter for one model's versions."""
    quote = '"' if "'" in model else "'"
    return f"name={quote}{model}{quote}"


def arrivals_of(client: MlflowClient, model: str) -> tuple[Arrival, ...]:
    """Every version of one model that is ready, by number."""
    found: list[ModelVersion] = []
    token = None
    while True:
        page = client.search_model_versions(named(model), max_results=_PAGE, page_token=token)
        found += page
        token = page.token
        if not token:
            break
    return tuple(
        Arrival(
            model=model,
            version=str(one.version),
            at=datetime.fromtimestamp(one.creation_timestamp / 1000, tz=UTC),
            by=one.tags.get(REGISTERED_BY_TAG) or one.user_id or "",
            release=one.tags.get(RELEASE_NAME_TAG) or None,
        )
        for one in sorted(found, key=lambda one: int(one.version))
        if one.status == _READY
    )


def registered_webhook(client: MlflowClient, url: str, secret: str) -> str:
    """Let MLflow tell of new versions at a URL; again changes nothing.

    Returns:
        The webhook's id.
    """
    told: list[Any] = [WebhookEvent("model_version", "created")]  # MLflow's types are narrower
    same = [one for one in _webhooks(client) if one.name == WEBHOOK]
    for more in same[1:]:  # two that began at once
        client.delete_webhook(more.webhook_id)
    if not same:
        made = client.create_webhook(WEBHOOK, url, told, secret=secret, status="ACTIVE")
        return str(made.webhook_id)
    client.update_webhook(same[0].webhook_id, url=url, events=told, secret=secret, status="ACTIVE")
    return str(same[0].webhook_id)


def _webhooks(client: MlflowClient) -> list[Webhook]:
    found: list[Webhook] = []
    token = None
    while True:
        page = client.list_webhooks(page_token=token)
        found += page
        token = page.token
        if not token:
            return found
