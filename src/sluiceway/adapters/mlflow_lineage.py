"""What an MLflow registry shows of who reads whom: tags, signatures, inputs of runs."""

from collections.abc import Callable, Iterator, Mapping

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sluiceway.errors import SluicewayError
from sluiceway.lineage import (
    Reading,
    RegistryLineage,
    Trace,
    readings_of_columns,
    readings_of_tags,
)

_PAGE = 200

Columns = Callable[[str, str], tuple[str, ...] | None]
"""Takes model and version, gives the columns of its signature."""


def lineage_of(client: MlflowClient, columns_of: Columns) -> RegistryLineage:
    """Search every version's tags; signature and run of the newest and of those with an alias.

    What of a version cannot be read is told, and no reason to leave the others out.

    Args:
        columns_of: May raise any of our errors.
    """
    models = {model.name: model for model in _models(client)}
    versions = list(_versions(client))
    by_source = {_logged_model(one): one for one in versions}
    newest: dict[str, int] = {}
    for one in versions:
        newest[one.name] = max(newest.get(one.name, 0), int(one.version))
    readings: list[Reading] = []
    unreadable: list[str] = []
    opened = 0
    for one in sorted(versions, key=lambda one: (one.name, int(one.version))):
        found, faults = readings_of_tags(one.name, str(one.version), one.tags)
        readings += found
        unreadable += faults
        aliased = str(one.version) in map(str, models[one.name].aliases.values())
        if int(one.version) == newest[one.name] or aliased:
            opened += 1
            try:
                columns = columns_of(one.name, str(one.version)) or ()
                readings += readings_of_columns(one.name, str(one.version), columns, models)
            except SluicewayError as error:
                unreadable.append(str(error))
            try:
                readings += _of_run(client, one, by_source)
            except MlflowException as error:
                said = f"{one.name}@{one.version}: its run {one.run_id} cannot be read"
                unreadable.append(f"{said}: {error.message}")
    return RegistryLineage(
        readings=tuple(readings),
        models=len(models),
        versions=len(versions),
        opened=opened,
        unreadable=tuple(unreadable),
    )


def _models(client: MlflowClient) -> Iterator[RegisteredModel]:
    token = None
    while True:
        page = client.search_registered_models(max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _versions(client: MlflowClient) -> Iterator[ModelVersion]:
    token = None
    while True:
        page = client.search_model_versions("", max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _logged_model(version: ModelVersion) -> str:
    """Id of the logged model that a version was made from; its source where there is none."""
    scheme, _, logged = str(version.source).partition("models:/")
    return logged if scheme == "" and logged else str(version.source)


def _of_run(
    client: MlflowClient, version: ModelVersion, by_source: Mapping[str, ModelVersion]
) -> list[Reading]:
    """Models that the run which made this version had as inputs."""
    if not version.run_id:
        return []
    inputs = client.get_run(version.run_id).inputs
    producers = (by_source.get(one.model_id) for one in (inputs.model_inputs if inputs else ()))
    return [
        Reading(
            reader=version.name,
            version=str(version.version),
            producer=producer.name,
            field=None,
            producer_version=str(producer.version),
            shown_by=Trace.RUN_INPUT,
        )
        for producer in producers
        if producer is not None and producer.name != version.name
    ]
