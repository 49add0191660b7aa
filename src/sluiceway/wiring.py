"""The one place where settings become parts."""

import importlib
import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from sluiceway.adapters.approver_secrets import keys_of, local_keys
from sluiceway.adapters.feature_code import definitions_of
from sluiceway.adapters.flag_file import FlagFileRouter
from sluiceway.adapters.gateway_tables import GatewayTables
from sluiceway.adapters.history import History
from sluiceway.adapters.labels.intake import LabelIntake
from sluiceway.adapters.labels.store import LABELS, LabelStore
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.recorder import LiveRecorder
from sluiceway.adapters.mlflow_evidence import MlflowEvidence
from sluiceway.adapters.mlflow_registry import MlflowRegistry, limit_patience
from sluiceway.adapters.named_places import refuse_nowhere
from sluiceway.adapters.observed_routing import Gateways, ObservedRouter
from sluiceway.adapters.progress import watched
from sluiceway.adapters.sql_journal import SqlJournal
from sluiceway.adapters.trial import meet, try_version
from sluiceway.errors import BadInput, Fault
from sluiceway.replay.features import Transformation
from sluiceway.serving.keeping import Keeping
from sluiceway.settings import Settings
from sluiceway.steps.site import Site, Systems
from sluiceway.system.file import read_system
from sluiceway.system.values import System

LOAD_DEADLINE = timedelta(minutes=2)
"""Longest time in which a candidate's process may load it."""


@contextmanager
def opened(settings: Settings) -> Iterator[Site]:
    """Open everything that one environment needs, and close it again.

    Raises:
        BadInput: A setting points nowhere.
        JournalUnavailable: The journal's database cannot be used.
        RegistryUnavailable: The registry cannot be reached.
    """
    refuse_nowhere(settings)
    settings.home.mkdir(parents=True, exist_ok=True)
    limit_patience()
    journal = SqlJournal(settings.journal_url)
    with closing(journal), watched(settings.progress) as progress:
        registry = MlflowRegistry(settings.registry_uri)
        yield Site(
            environment=settings.environment,
            systems=systems(settings),
            journal=journal,
            registry=registry,
            router=ObservedRouter(
                FlagFileRouter(settings.routing_file), Gateways(settings.heartbeat_folder)
            ),
            predictions=prediction_log(settings),
            evidence=MlflowEvidence(settings.registry_uri, artifact_root=settings.evidence_root),
            try_version=partial(try_version, registry, load_deadline=LOAD_DEADLINE),
            meet=partial(meet, registry, load_deadline=LOAD_DEADLINE),
            folder=settings.rollout_folder,
            progress=progress,
            approver_keys=keys_of(local_keys(settings.home)),
        )


def prediction_log(settings: Settings) -> LivePredictionLog:
    """The log of answers: what gateways log, and batches."""
    return LivePredictionLog(settings.prediction_folder, settings.serving_folder / "log.db")


def keeping_of(settings: Settings, system: System) -> Keeping:
    """What of live requests may be kept.

    Raises:
        BadInput: Something is to be hashed and the environment has no usable key.
    """
    key = settings.hash_key
    return Keeping.of(system, None if key is None else key.get_secret_value().encode())


def recorder(settings: Settings, system: System) -> LiveRecorder:
    """Who writes a gateway's answers down; to be closed when nothing is answered any more.

    Raises:
        BadInput: Something is to be hashed and the environment has no usable key.
        LogUnavailable: The log cannot be written to.
    """
    return LiveRecorder(settings.serving_folder / "log.db", keeping_of(settings, system))


def label_intake(settings: Settings) -> LabelIntake:
    """Who takes labels in.

    Raises:
        BadInput: The system file has faults, or units are to be hashed and there is no key.
    """
    current = read_system(settings.system)
    return LabelIntake(
        system=lambda: current,
        log=prediction_log(settings),
        store=LabelStore(settings.serving_folder / LABELS),
        keeping=keeping_of(settings, current),
    )


def systems(settings: Settings) -> Systems:
    """How the settings' system file is read, kept and recorded."""
    live = GatewayTables(log=prediction_log(settings), labels=settings.serving_folder / LABELS)
    return Systems(
        current=lambda: read_system(settings.system),
        kept=_Kept(settings),
        recorded=lambda system: History(
            system,
            base=settings.system.parent,
            data_folder=settings.data_folder.absolute(),
            live=live,
        ),
        transformations=transformations_of,
        definitions=definitions_of,
    )


@dataclass(frozen=True, slots=True)
class _Kept:
    """A rollout keeps the system file it began with."""

    settings: Settings

    def __call__(self, rollout_id: str) -> System:
        kept = self.settings.rollout_folder(rollout_id) / "system"
        name = self.settings.system.name
        if not (kept / name).exists():
            system = read_system(self.settings.system)
            keep(self.settings.system, system, kept)
        return read_system(kept / name)


def keep(file: Path, system: System, folder: Path) -> None:
    """Copy a system file and its contracts; a copy cut short is never taken for a whole one."""
    partial_copy = folder.with_name(f".{folder.name}.{uuid4().hex}")
    partial_copy.mkdir(parents=True)
    for name in (file.name, *system.contract_files):
        copy = partial_copy / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file.parent / name, copy)
    try:
        partial_copy.rename(folder)
    except OSError:
        # Another process was first; a folder that holds files is never replaced.
        shutil.rmtree(partial_copy)
        if not folder.is_dir():
            raise


def transformations_of(system: System) -> dict[str, Transformation]:
    """Import every transformation that a system names.

    Raises:
        BadInput: With all that cannot be imported.
    """
    found: dict[str, Transformation] = {}
    faults: list[Fault] = []
    for feature in system.features.values():
        for version in feature.versions.values():
            name = version.transformation
            if name is None or name in found:
                continue
            module, _, function = name.partition(":")
            try:
                found[name] = getattr(importlib.import_module(module), function)
            except (ImportError, AttributeError) as error:
                where = f"features.{feature.name}.transformation"
                faults.append(Fault(where=where, what=f"{name} cannot be imported: {error}"))
    if faults:
        raise BadInput(faults)
    return found
