"""The MLflow model registry, with or without a server."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow.artifacts
import requests
from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from pydantic import TypeAdapter
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from sluiceway.adapters.mlflow_arrivals import arrivals_of, named
from sluiceway.adapters.mlflow_lineage import lineage_of
from sluiceway.adapters.model_files import (
    MODEL_FILE,
    ModelFilesError,
    describe,
    digest_of,
    load_verified,
)
from sluiceway.addresses import shown
from sluiceway.adoption import DraftedModel
from sluiceway.arrivals import Arrival
from sluiceway.contracts.file import contract_in_text
from sluiceway.contracts.values import Contract
from sluiceway.errors import BadInput, Fault
from sluiceway.features import Stamp, read_stamps
from sluiceway.lineage import TRAINED_ON_TAG, RegistryLineage, trained_on
from sluiceway.ports import (
    Predictor,
    RegisteredVersion,
    RegistryUnavailable,
    UnknownVersion,
    UnloadableVersion,
)

CONTRACT_TAG: Final = "sluiceway.contract"
"""Version tag: the contract as :meth:`~sluiceway.contracts.values.Contract.to_json` writes it, or
as it stands in a contract file."""
FEATURES_TAG: Final = "sluiceway.features"
"""Version tag: JSON object, stamp by feature: its version, and what its definition was."""
DIGEST_TAG: Final = "sluiceway.artifact_sha256"
"""Version tag: the digest that was verified."""
CONTRACT_HASH_TAG: Final = "sluiceway.contract_hash"
"""Version tag: content hash of the contract it was verified against, its own or the system's."""
CONTRACT_VERSION_TAG: Final = "sluiceway.contract_version"
"""Version tag: semver of that contract."""
STAGE_TAG: Final = "sluiceway.stage"
"""Version tag: how far a rollout brought it."""
RELEASE_TAG: Final = "sluiceway.release"
"""Version tag: content hash of the release it belongs to."""

PATIENCE: Final = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "1",
}
"""Environment that :func:`limit_patience` sets, for whoever makes this adapter: MLflow's own client
retries a dead server for minutes, while retries belong to the task that asks."""

_FEATURES: Final = TypeAdapter(dict[str, str])
_UNKNOWN: Final = "RESOURCE_DOES_NOT_EXIST"
_REFUSED: Final = "INVALID_PARAMETER_VALUE"


def limit_patience() -> None:
    """Bound how long this process waits for a dead server, where its environment does not say."""
    for name, value in PATIENCE.items():
        os.environ.setdefault(name, value)


class MlflowRegistry:
    """The MLflow model registry behind :class:`sluiceway.ports.Registry`.

    Args:
        tracking_uri: ``sqlite:///...`` (no server), ``http://...`` or any other MLflow store.
        registry_uri: Where the versions are, if elsewhere.
    """

    def __init__(self, tracking_uri: str, registry_uri: str | None = None) -> None:
        self._tracking_uri = tracking_uri
        self._registry_uri = registry_uri or tracking_uri
        with mlflow_errors(f"registry {shown(self._registry_uri)}"):
            self._client = MlflowClient(self._tracking_uri, self._registry_uri)

    def version(self, model: str, version: str) -> RegisteredVersion:
        """Look a version up.

        Raises:
            UnknownVersion: There is none.
            RegistryUnavailable: The registry did not answer.
            UnloadableVersion: Its files are missing, so nobody can say what it reads.
            BadInput: One of its ``sluiceway.`` tags cannot be read.
        """
        found = self._found(model, version)
        tags = dict(found.tags)
        stamps = _stamps(tags, where=f"{model}@{version}: tag {FEATURES_TAG}")
        with self._fetched(model, version, only=MODEL_FILE) as folder, _files(model, version):
            columns = describe(folder).inputs
        return RegisteredVersion(
            model=model,
            version=version,
            inputs=None if columns is None else tuple(column.name for column in columns),
            contract=_contract(tags, where=f"{model}@{version}: tag {CONTRACT_TAG}"),
            features={name: stamp.version for name, stamp in stamps.items()},
            tags=tags,
            types={column.name: column.type for column in columns or ()},
            definitions={n: s.definition for n, s in stamps.items() if s.definition is not None},
            trained_on=_trained_on(tags, where=f"{model}@{version}: tag {TRAINED_ON_TAG}"),
        )

    def models(self) -> tuple[str, ...]:
        """Names of all registered models, sorted.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """
        found: list[str] = []
        token = None
        with mlflow_errors(f"registry {shown(self._registry_uri)}"):
            while True:
                page = self._client.search_registered_models(page_token=token)
                found += [model.name for model in page]
                token = page.token
                if not token:
                    return tuple(sorted(found))

    def drafted(self, model: str) -> DraftedModel:
        """What a first draft of a system file can say of a model: its champion, or its newest.

        Raises:
            BadInput: It has no version, or one without a signature.
            RegistryUnavailable: The registry did not answer.
        """
        version = self.aliases(model).get("champion") or self.latest_version(model)
        if version is None:
            raise BadInput([Fault(where=model, what="has no version that could be read")])
        with self._fetched(model, version, only=MODEL_FILE) as folder, _files(model, version):
            described = describe(folder)
        if described.inputs is None:
            what = "has no signature; log it with signature=infer_signature(inputs, answers)"
            raise BadInput([Fault(where=f"{model}@{version}", what=what)])
        return DraftedModel(
            name=model,
            version=version,
            inputs={column.name: column.type for column in described.inputs},
            outputs=described.outputs or ("answer",),
        )

    def artifact_sha256(self, model: str, version: str) -> str:
        """Digest over all files of the version's model; see :func:`.model_files.digest_of`.

        Raises:
            UnknownVersion: There is none.
            UnloadableVersion: Its files are missing.
            RegistryUnavailable: The registry did not answer.
        """
        with self.local_files(model, version) as folder, _files(model, version):
            return digest_of(folder)

    def load(self, model: str, version: str, *, artifact_sha256: str) -> Predictor:
        """Load a version out of the very bytes that have the digest that was verified.

        Raises:
            UnknownVersion: There is none.
            UnloadableVersion: It cannot be loaded, or its files changed since.
            RegistryUnavailable: The registry did not answer.
        """
        with self.local_files(model, version) as folder, _files(model, version):
            return load_verified(folder, artifact_sha256)

    @contextmanager
    def local_files(self, model: str, version: str) -> Iterator[Path]:
        """The folder with the version's files, on this machine for as long as the block lasts.

        Raises:
            UnknownVersion: There is none.
            UnloadableVersion: Its files are missing.
            RegistryUnavailable: The registry did not answer.
        """
        with self._fetched(model, version) as folder:
            yield folder

    def aliases(self, model: str) -> Mapping[str, str]:
        """Version by alias of one model; empty where there is no such model.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """
        try:
            with mlflow_errors(model):
                found = self._client.get_registered_model(model).aliases
        except UnknownVersion:
            return {}
        return {alias: str(version) for alias, version in found.items()}

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version; the last writer wins.

        Raises:
            UnknownVersion: There is no such version.
            RegistryUnavailable: The registry did not answer.
        """
        self._found(model, version)
        with mlflow_errors(f"{model}@{version}"):
            self._client.set_registered_model_alias(model, alias, version)

    def remove_alias(self, model: str, alias: str) -> None:
        """Take an alias away; nothing happens where it is not set.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """
        if alias not in self.aliases(model):
            return
        with mlflow_errors(model):
            self._client.delete_registered_model_alias(model, alias)

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version.

        Raises:
            UnknownVersion: There is no such version.
            BadInput: MLflow refuses the key or the value.
            RegistryUnavailable: The registry did not answer.
        """
        self._found(model, version)
        with mlflow_errors(f"{model}@{version}"):
            self._client.set_model_version_tag(model, version, key, value)

    def latest_version(self, model: str) -> str | None:
        """The newest version's number, or None where the model has none.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """
        with mlflow_errors(model):
            found = self._client.search_model_versions(
                named(model), max_results=1, order_by=["version_number DESC"]
            )
        return str(found[0].version) if found else None

    def arrivals(self, model: str) -> tuple[Arrival, ...]:
        """Every version of one model that is ready, and when it came, by number.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """
        with mlflow_errors(model):
            return arrivals_of(self._client, model)

    def lineage(self) -> RegistryLineage:
        """All that tags, signatures and inputs of runs show of who reads whom.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """

        def columns_of(model: str, version: str) -> tuple[str, ...] | None:
            with self._fetched(model, version, only=MODEL_FILE) as folder, _files(model, version):
                columns = describe(folder).inputs
            return None if columns is None else tuple(column.name for column in columns)

        with mlflow_errors(f"registry {shown(self._registry_uri)}"):
            return lineage_of(self._client, columns_of)

    def _found(self, model: str, version: str) -> ModelVersion:
        if not (version.isascii() and version.isdigit()):
            raise UnknownVersion(f"{model}@{version}: MLflow numbers versions, like {model}@1")
        with mlflow_errors(f"{model}@{version}"):
            return self._client.get_model_version(model, version)

    @contextmanager
    def _fetched(self, model: str, version: str, only: str | None = None) -> Iterator[Path]:
        """A local folder with the model's files, or only one of them; no copy of local ones."""
        self._found(model, version)
        with mlflow_errors(f"{model}@{version}"):
            uri = self._client.get_model_version_download_uri(model, version)
        parts = urlsplit(uri)
        if parts.scheme in ("", "file"):
            folder = Path(url2pathname(parts.path))
            if not folder.is_dir():
                raise UnloadableVersion(f"{model}@{version}: its files are missing at {folder}")
            yield folder
            return
        with tempfile.TemporaryDirectory(prefix="sluiceway-model-") as private:
            with mlflow_errors(f"{model}@{version}", unknown=UnloadableVersion):
                # A failed download does not say whether the files or the server are gone.
                there = mlflow.artifacts.list_artifacts(
                    artifact_uri=uri, tracking_uri=self._tracking_uri
                )
                if not any(PurePosixPath(file.path).name == MODEL_FILE for file in there):
                    raise UnloadableVersion(f"{model}@{version}: its files are missing at {uri}")
                fetched = mlflow.artifacts.download_artifacts(
                    artifact_uri=uri if only is None else f"{uri.rstrip('/')}/{only}",
                    dst_path=private,
                    tracking_uri=self._tracking_uri,
                    registry_uri=self._registry_uri,
                )
            yield Path(fetched) if only is None else Path(fetched).parent


@contextmanager
def mlflow_errors(
    subject: str, *, unknown: type[UnknownVersion | UnloadableVersion] = UnknownVersion
) -> Iterator[None]:
    """Turn what MLflow raises into what the port promises."""
    try:
        yield
    except MlflowException as error:
        said = f"{subject}: {_in_short(error.message)}"
        if error.error_code == _UNKNOWN:
            raise unknown(said) from error
        if error.error_code == _REFUSED:
            raise BadInput([Fault(where=subject, what=error.message)]) from error
        if (away := _away(error)) is not None:
            said = f"{subject}: {away}"
        raise RegistryUnavailable(said) from error
    # A failing store lets its own errors through: files and sockets, and the database's.
    except (OSError, SQLAlchemyError) as error:
        cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
        raise RegistryUnavailable(f"{subject}: {_in_short(str(cause))}") from error


def _in_short(said: str) -> str:
    """What was said, without the statement that a database error quotes after it."""
    return shown(" ".join(said.partition("[SQL:")[0].split()))


def _away(error: BaseException) -> str | None:
    """That the server was not reached, and why, out of the errors behind one; else None."""
    asked = reason = None
    found: BaseException | None = error
    while found is not None:
        if isinstance(found, requests.ConnectionError | requests.Timeout) and found.request:
            asked = urlsplit(str(found.request.url or ""))
        if isinstance(found, OSError) and found.strerror:
            reason = found.strerror
        found = found.__cause__ or found.__context__
    if asked is None:
        return None
    port = f":{asked.port}" if asked.port else ""
    where = f"{asked.scheme}://{asked.hostname}{port}"
    return f"the registry at {where} does not answer" + (f": {reason}" if reason else "")


@contextmanager
def _files(model: str, version: str) -> Iterator[None]:
    try:
        yield
    except ModelFilesError as error:
        raise UnloadableVersion(f"{model}@{version}: {error}") from error


def _trained_on(tags: Mapping[str, str], *, where: str) -> Mapping[str, str]:
    try:
        return trained_on(tags)
    except ValueError as error:
        raise BadInput([Fault(where=where, what=str(error))]) from error


def _contract(tags: Mapping[str, str], *, where: str) -> Contract | None:
    text = tags.get(CONTRACT_TAG)
    if text is None:
        return None
    return contract_in_text(text, where=where)


def _stamps(tags: Mapping[str, str], *, where: str) -> Mapping[str, Stamp]:
    try:
        return read_stamps(_FEATURES.validate_python(json.loads(tags.get(FEATURES_TAG, "{}"))))
    except ValueError as error:
        what = 'is no JSON object of versions by feature, like {"origin_mean_delay": "2.0.0"}'
        raise BadInput([Fault(where=where, what=what)]) from error
