"""``sluiceway receive`` and ``sluiceway webhook``: the registry tells, and somebody listens."""

import os
from functools import partial
from typing import Annotated, Final
from uuid import NAMESPACE_URL, uuid5

import typer

from sluiceway.addresses import address_fault
from sluiceway.cli.commands import AsJson, app
from sluiceway.cli.opening import refuse_elsewhere
from sluiceway.cli.rendering import say, say_json
from sluiceway.cli.running import refuse_prefect_away
from sluiceway.errors import BadInput, Fault
from sluiceway.registrations import Registration
from sluiceway.settings import Settings

_SECRET: Final = "SLUICEWAY_WEBHOOK_SECRET"
_EVENT: Final = "sluiceway.version.registered"
"""What prefect.yaml waits for."""


@app.command()
def receive(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port.", min=1, max=65_535)] = 8787,
    as_json: AsJson = False,
) -> None:
    """Listen to MLflow's webhook and tell Prefect of new versions, until told to end.

    Deliveries count where they are signed with SLUICEWAY_WEBHOOK_SECRET; several secrets, apart by
    commas, count while one takes the other's place.
    """
    settings = Settings()
    refuse_elsewhere(settings)
    secrets = _secrets()
    from sluiceway.adapters.named_places import refuse_nowhere

    refuse_nowhere(settings)
    refuse_prefect_away("the receiver")
    import logging

    import uvicorn

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("sluiceway").setLevel(logging.INFO)
    from sluiceway.adapters.server_versions import strange_servers
    from sluiceway.receiver import receiver
    from sluiceway.wiring import opened

    for setting, what in strange_servers({**os.environ, **_registry(settings)}).items():
        logging.getLogger("sluiceway").warning("%s: %s", setting, what)
    if as_json:
        say_json({"url": f"http://{host}:{port}/mlflow"})
    listening = receiver(partial(opened, settings), partial(_emit, settings), secrets=secrets)
    uvicorn.run(listening, host=host, port=port, log_level="info", access_log=False)


@app.command()
def webhook(
    url: Annotated[str, typer.Argument(help="Where the receiver is, ending with /mlflow.")],
    as_json: AsJson = False,
) -> None:
    """Let MLflow tell the receiver of new versions; again changes nothing."""
    settings = Settings()
    secrets = _secrets()
    if not settings.registry_uri.startswith(("http://", "https://")):
        what = "is no server, and only a server sends webhooks; `reconcile` finds new versions"
        raise BadInput([Fault(where="SLUICEWAY_TRACKING_URI", what=what)])
    from sluiceway.adapters.named_places import refuse_nowhere

    refuse_nowhere(settings)
    if fault := address_fault(url, example="http://127.0.0.1:8787/mlflow"):
        raise BadInput([Fault(where="URL", what=fault)])
    from mlflow.tracking import MlflowClient

    from sluiceway.adapters.mlflow_arrivals import registered_webhook
    from sluiceway.adapters.mlflow_registry import limit_patience, mlflow_errors

    limit_patience()
    with mlflow_errors(f"webhook {url}"):
        webhook_id = registered_webhook(MlflowClient(settings.registry_uri), url, secrets[0])
    if as_json:
        say_json({"webhook": webhook_id, "url": url})
    else:
        say(f"MLflow tells {url} of every new version")


def _registry(settings: Settings) -> dict[str, str]:
    """What the home folder's settings say too."""
    return {"SLUICEWAY_TRACKING_URI": settings.registry_uri}


def _secrets() -> list[str]:
    found = [one.strip() for one in os.environ.get(_SECRET, "").split(",")]
    if not any(found):
        what = "is not set; without it anybody could say that a version was registered"
        raise BadInput([Fault(where=_SECRET, what=what)])
    return [one for one in found if one]


def _emit(settings: Settings, registration: Registration) -> None:
    """Tell Prefect, and know that it was told: its server has answered.

    The same version is the same event, however often it is told.
    """
    from prefect.client.orchestration import get_client
    from prefect.events import Event, Resource

    name = f"{registration.model}@{registration.version}"
    about = f"sluiceway.version.{settings.environment}.{name}"
    event = Event(
        event=_EVENT,
        resource=Resource({"prefect.resource.id": about, "prefect.resource.name": name}),
        payload={"model": registration.model, "version": registration.version},
        id=uuid5(NAMESPACE_URL, f"{about}#{registration.delivery_id}"),
    )
    with get_client(sync_client=True) as client:
        answer = client.request("POST", "/events", json=[event.model_dump(mode="json")])
        answer.raise_for_status()
