"""Evidence of rollouts in MLflow: one run a rollout, and the journal heads that runs keep."""

import json
import math
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, urlsplit

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    LoggedModelInput,
    Metric,
    Param,
    Run,
    RunStatus,
    RunTag,
    ViewType,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from sluiceway.adapters.mlflow_registry import mlflow_errors
from sluiceway.addresses import shown
from sluiceway.errors import BadInput, Fault
from sluiceway.ports import ReplayedSource

ROLLOUT_TAG: Final = "sluiceway.rollout"
"""Run tag: id of the rollout; a rollout has one run."""
HEAD_TAG: Final = "sluiceway.journal_head"
"""Run tag: hash of the newest journal event when the run was recorded."""
ENVIRONMENT_TAG: Final = "sluiceway.environment"
"""Run tag: name of the environment whose journal it is."""

_PAGE: Final = 1_000
"""Runs asked for at once."""
_NOTE_TAG: Final = "mlflow.note.content"
"""The tag that MLflow's UI shows as a run's description; once it is there, it is people's."""


class MlflowEvidence:
    """Keeps the evidence of rollouts in the experiment ``sluiceway/<system>``.

    Args:
        tracking_uri: ``sqlite:///...`` (no server), ``http://...`` or any other MLflow store.
        registry_uri: Where model versions are, if elsewhere.
        artifact_root: URI of the folder for the artifacts of experiments made here. Without a
            server MLflow's own default is ``mlruns`` in the working directory, so give one; a
            server knows its own.
    """

    def __init__(
        self,
        tracking_uri: str,
        registry_uri: str | None = None,
        *,
        artifact_root: str | None = None,
    ) -> None:
        self._artifact_root = artifact_root
        self._uri = tracking_uri
        with mlflow_errors(f"tracking store {shown(tracking_uri)}"):
            self._client = MlflowClient(tracking_uri, registry_uri or tracking_uri)

    def record(
        self,
        system: str,
        rollout_id: str,
        *,
        metrics: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
        artifacts: Mapping[str, str | bytes],
        models: Sequence[tuple[str, str]],
        sources: Sequence[ReplayedSource],
    ) -> str:
        """Write a rollout's evidence, and once more without doubling anything.

        A metric whose value changed gets one more point, a tag or artifact is overwritten. MLflow
        keeps the first value of a param for good, so another value is refused.

        Args:
            metrics: Finite values; names may have letters, digits and ``_-. /``.
            artifacts: Text or bytes by relative file name.
            models: Model and version of each input of the run.
            sources: Recorded sources, each a dataset input of the run.

        Returns:
            Id of the MLflow run.

        Raises:
            BadInput: A metric is not finite, a param changed, or MLflow refuses a name.
            UnknownVersion: There is no such model version.
            RegistryUnavailable: MLflow did not answer.
        """
        faults = [
            Fault(where=f"metric {name}", what=f"is {value}, which is no evidence")
            for name, value in metrics.items()
            if not math.isfinite(value)
        ]
        if faults:
            raise BadInput(faults)
        with mlflow_errors(f"evidence of {rollout_id}"):
            run = self._run(system, rollout_id)
            told = {_NOTE_TAG: run.data.tags.get(_NOTE_TAG) or _note(rollout_id, models)}
            self._record_values(run, metrics, params, {**tags, ROLLOUT_TAG: rollout_id, **told})
            self._record_artifacts(run, artifacts)
            self._record_models(run, models)
            self._record_sources(run, sources)
            self._client.set_terminated(run.info.run_id, RunStatus.to_string(RunStatus.FINISHED))
            return str(run.info.run_id)

    def address(self, system: str, kept: str, artifact: str) -> str | None:
        """Where MLflow's UI shows an artifact of a run; None where no server is spoken to.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        if urlsplit(self._uri).scheme not in ("http", "https"):
            return None
        with mlflow_errors(f"evidence of {system}"):
            experiment = self._client.get_run(kept).info.experiment_id
        server = shown(self._uri).rstrip("/")
        return f"{server}/#/experiments/{experiment}/runs/{kept}/artifacts/{artifact}"

    def heads(self, system: str, *, environment: str) -> Mapping[str, str]:
        """Where each journal head of an environment is kept, by hash; deleted runs count too.

        Raises:
            RegistryUnavailable: MLflow did not answer.
        """
        heads: dict[str, list[str]] = {}
        with mlflow_errors(f"evidence of {system}"):
            experiment = self._client.get_experiment_by_name(_experiment(system))
            if experiment is None:
                return {}
            for run in self._runs(experiment.experiment_id):
                head = run.data.tags.get(HEAD_TAG)
                if head is not None and run.data.tags.get(ENVIRONMENT_TAG) == environment:
                    rollout = run.data.tags.get(ROLLOUT_TAG, "unknown")
                    place = f"MLflow run {run.info.run_id} of rollout {rollout}"
                    heads.setdefault(head, []).append(place)
        return {head: ", ".join(places) for head, places in heads.items()}

    def _run(self, system: str, rollout_id: str) -> Run:
        """The rollout's run: the oldest with its tag, or a new one."""
        experiment_id = self._experiment_id(system)
        found = self._client.search_runs(
            [experiment_id],
            f"tags.`{ROLLOUT_TAG}` = '{rollout_id}'",
            ViewType.ACTIVE_ONLY,
            max_results=1,
            order_by=["attributes.start_time ASC"],
        )
        if found:
            return found[0]
        return self._client.create_run(
            experiment_id, tags={ROLLOUT_TAG: rollout_id}, run_name=rollout_id
        )

    def _experiment_id(self, system: str) -> str:
        name = _experiment(system)
        found = self._client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(self._client.create_experiment(name, self._artifacts_of(name)))
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
                # Somebody else made it in between.
                found = self._client.get_experiment_by_name(name)
        if found is None:
            what = "was deleted and still has its name; restore or purge it"
            raise BadInput([Fault(where=f"MLflow experiment {name}", what=what)])
        return str(found.experiment_id)

    def _artifacts_of(self, experiment: str) -> str | None:
        root = self._artifact_root
        return None if root is None else f"{root.rstrip('/')}/{experiment}"

    def _record_values(
        self,
        run: Run,
        metrics: Mapping[str, float],
        params: Mapping[str, str],
        tags: Mapping[str, str],
    ) -> None:
        known = run.data
        faults = [
            Fault(
                where=f"param {name}",
                what=f"is {known.params[name]!r} for good and cannot become {value!r}; use a tag",
            )
            for name, value in params.items()
            if name in known.params and known.params[name] != str(value)
        ]
        if faults:
            raise BadInput(faults)
        now = time.time_ns() // 1_000_000
        self._client.log_batch(
            run.info.run_id,
            metrics=[
                Metric(name, float(value), now, 0)
                for name, value in metrics.items()
                if known.metrics.get(name) != float(value)
            ],
            params=[
                Param(name, str(value))
                for name, value in params.items()
                if name not in known.params
            ],
            tags=[
                RunTag(name, value) for name, value in tags.items() if known.tags.get(name) != value
            ],
        )

    def _record_artifacts(self, run: Run, artifacts: Mapping[str, str | bytes]) -> None:
        with tempfile.TemporaryDirectory(prefix="sluiceway-evidence-") as private:
            for name, content in artifacts.items():
                relative = PurePosixPath(name)
                if relative.is_absolute() or ".." in relative.parts or not relative.name:
                    what = "is no relative file name"
                    raise BadInput([Fault(where=f"artifact {name!r}", what=what)])
                local = Path(private) / relative.name
                local.write_bytes(content.encode() if isinstance(content, str) else content)
                folder = str(relative.parent) if len(relative.parts) > 1 else None
                self._client.log_artifact(run.info.run_id, str(local), folder)

    def _record_models(self, run: Run, models: Sequence[tuple[str, str]]) -> None:
        inputs = run.inputs.model_inputs if run.inputs else None
        known = {model.model_id for model in inputs or ()}
        wanted = []
        for model, version in models:
            source = str(self._client.get_model_version(model, version).source)
            scheme, _, logged = source.partition("models:/")
            # Versions made from a run before MLflow 3 have no logged model to point at.
            if scheme == "" and logged.startswith("m-") and logged not in known:
                wanted.append(logged)
        if wanted:
            self._client.log_inputs(
                run.info.run_id,
                models=[LoggedModelInput(model_id=model) for model in dict.fromkeys(wanted)],
            )

    def _record_sources(self, run: Run, sources: Sequence[ReplayedSource]) -> None:
        inputs = run.inputs.dataset_inputs if run.inputs else None
        known = {(one.dataset.name, one.dataset.digest) for one in inputs or ()}
        wanted = [one for one in sources if (one.name, one.digest) not in known]
        if wanted:
            self._client.log_inputs(run.info.run_id, [_dataset(one) for one in wanted])

    def _runs(self, experiment_id: str) -> Iterator[Run]:
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [experiment_id], "", ViewType.ALL, max_results=_PAGE, page_token=token
            )
            yield from page
            token = page.token
            if not token:
                return


def _dataset(source: ReplayedSource) -> DatasetInput:
    """An entry that says where the rows are; none is read for it."""
    where = {
        "loader": source.loader,
        "start": source.window.start.isoformat(),
        "end": source.window.end.isoformat(),
    }
    dataset = Dataset(
        name=source.name,
        digest=source.digest,
        source_type=source.loader.partition(":")[0],
        source=json.dumps(where),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "shadow")])


def _experiment(system: str) -> str:
    return f"sluiceway/{system}"


def _note(rollout_id: str, models: Sequence[tuple[str, str]]) -> str:
    """What the run is about, as Markdown; its page shows only models of its own experiment."""
    links = ", ".join(f"[{m} {v}](#/models/{quote(m)}/versions/{v})" for m, v in models)
    about = f" of {links}" if links else ""
    return f"Rollout {rollout_id}{about}; its report is among the artifacts."
