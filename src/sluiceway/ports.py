"""What the core needs of the world: small protocols, each named by what it gives.

Every port has an in-memory adapter that ships with the library and passes the same contract
tests as the real one.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

import numpy as np
import pandas as pd

from sluiceway.arrivals import Arrival
from sluiceway.contracts.values import Contract
from sluiceway.errors import SluicewayError
from sluiceway.journal import Champion, Draft, Event
from sluiceway.lineage import Callers, RegistryLineage
from sluiceway.releases import Release
from sluiceway.routing import RoutingTable


class Predictor(Protocol):
    """A loaded model version."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the columns it reads, in the order of its signature."""

    def predict(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Answer rows.

        Args:
            columns: Arrays of shape (rows,), by input name.

        Returns:
            Array of shape (rows,) or (rows, fields).
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredVersion:
    """What the registry knows of one immutable model version.

    Attributes:
        inputs: Columns of its signature in order; None where it has no signature.
        types: MLflow's type of each of these columns, such as ``double`` or ``long``; a column
            whose type is not known is not in it.
        contract: The contract it carries; None where it carries none of its own.
        features: Version of the features it reads, where it says; others are the current ones.
        definitions: First digits of the hash of the definitions it was trained with, by feature;
            where it says nothing, nothing is known.
        trained_on: Version of each model whose answers it was trained on, where it says.
        tags: All its tags.
    """

    model: str
    version: str
    inputs: tuple[str, ...] | None
    contract: Contract | None
    features: Mapping[str, str]
    tags: Mapping[str, str]
    types: Mapping[str, str] = field(default_factory=dict)
    definitions: Mapping[str, str] = field(default_factory=dict)
    trained_on: Mapping[str, str] = field(default_factory=dict)


class UnknownVersion(SluicewayError):
    """The registry has no such model version."""


class UnloadableVersion(SluicewayError):
    """The version exists and its model cannot be loaded."""


class RegistryUnavailable(SluicewayError):
    """The registry did not answer; nothing is known."""


class Registry(Protocol):
    """The MLflow model registry, or something that stands for it in memory."""

    def version(self, model: str, version: str) -> RegisteredVersion:
        """Look a version up.

        Raises:
            UnknownVersion: There is none.
            RegistryUnavailable: The registry did not answer.
        """

    def artifact_sha256(self, model: str, version: str) -> str:
        """Digest over all files of the version's model (names and bytes).

        Raises:
            UnknownVersion: There is none.
            UnloadableVersion: Its files are missing.
        """

    def load(self, model: str, version: str, *, artifact_sha256: str) -> Predictor:
        """Load a version whose files still have the digest that was verified.

        Raises:
            UnknownVersion: There is none.
            UnloadableVersion: It cannot be loaded, or its files changed since.
        """

    def aliases(self, model: str) -> Mapping[str, str]:
        """Version by alias of one model."""

    def set_alias(self, model: str, alias: str, version: str) -> None:
        """Point an alias at a version; the last writer wins."""

    def remove_alias(self, model: str, alias: str) -> None:
        """Take an alias away; nothing happens where it is not set."""

    def set_tag(self, model: str, version: str, key: str, value: str) -> None:
        """Set a tag of a version."""

    def latest_version(self, model: str) -> str | None:
        """The newest version's number, or None where the model has none."""

    def arrivals(self, model: str) -> tuple[Arrival, ...]:
        """Every version of one model and when it came, by number; empty where there is no model.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """

    def lineage(self) -> RegistryLineage:
        """All that the registry shows of who reads whom, of its own systems and of others.

        Raises:
            RegistryUnavailable: The registry did not answer.
        """


class Journal(Protocol):
    """The append-only, hash-chained record of events, and the champion pointer."""

    def append(
        self,
        environment: str,
        rollout_id: str,
        drafts: Sequence[Draft],
        *,
        after: int,
        head: str | None = None,
    ) -> tuple[Event, ...]:
        """Add events to a rollout in one transaction.

        Args:
            after: Number of events the writer has seen of this rollout.
            head: The environment's head that the writer has seen, where what is written rests on
                all rollouts; None where it rests on this one alone.

        Raises:
            JournalConflict: Somebody else has written in between; nothing was written.
        """

    def move_champion(
        self,
        environment: str,
        release: Release,
        rollout_id: str,
        drafts: Sequence[Draft],
        *,
        after: int,
        revision: int,
    ) -> Champion:
        """Make a release the champion and add events, both or neither.

        A release that has been champion before keeps its generation; a new one takes the next.

        Args:
            revision: The champion pointer's revision that the writer has seen.

        Raises:
            JournalConflict: Pointer or rollout moved in between; nothing was written.
        """

    def champion(self, environment: str) -> Champion | None:
        """What serves now; None before the first release."""

    def release(self, environment: str, generation: int) -> Release:
        """The release of a generation.

        Raises:
            KeyError: There is no such generation.
        """

    def generations(self, environment: str) -> Mapping[int, str]:
        """Content hash by generation."""

    def events(self, environment: str, rollout_id: str) -> tuple[Event, ...]:
        """All events of one rollout, in order."""

    def rollouts(self, environment: str) -> tuple[str, ...]:
        """Ids of all rollouts in the order of their first events."""

    def chain(self, environment: str) -> Iterator[Event]:
        """Every event of an environment in the order of the chain."""

    def head(self, environment: str) -> str:
        """Hash of the newest event; the genesis hash where there is none."""

    def environments(self) -> tuple[str, ...]:
        """Names of all environments that have a champion, sorted."""

    def keep_contracts(self, contracts: Iterable[Contract]) -> None:
        """Keep the text of contracts, each by its content hash; what is kept already stays.

        Releases and events name contracts by their hash, so that what was verified is known
        whatever the files say later.
        """

    def contract(self, content_hash: str) -> Contract | None:
        """The contract of this content hash; None where none was kept, or its text was altered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A half-open span of event time, both ends in UTC: [start, end)."""

    start: datetime
    end: datetime


class UnreadableRouting(SluicewayError):
    """What servers read is no routing table; they keep the last good one."""


class Router(Protocol):
    """What sends units to arms."""

    @property
    def consistent(self) -> bool:
        """Whether one decision holds for a unit's whole chain.

        Where it does not (a split at each hop), every version of a producer can meet every version
        of its consumer, and a release may go live only where all these pairs were seen together.
        """

    def apply(self, table: RoutingTable) -> None:
        """Ask for a table; moved traffic shows in :meth:`observed` only.

        A table with a lower revision than the one in force changes nothing: whoever asked for it
        has read an older journal.
        """

    def observed(self) -> RoutingTable | None:
        """The table that servers read; None where there is none yet.

        It is in force where the traffic is once nobody is :meth:`lagging`.

        Raises:
            UnreadableRouting: There is something, and it is no table.
        """

    def edited_by_hand(self) -> tuple[str, ...]:
        """What somebody changed of what servers read, in words; they go by the table instead."""

    def lagging(self) -> tuple[str, ...]:
        """Servers that do not follow the observed table yet, each with what it does, in words."""


class GapReason(StrEnum):
    """Why rows are missing from the log of answers."""

    DROPPED = "dropped"
    """More was answered than could be written down."""
    KILLED = "killed"
    """The process that answered ended before it had written them."""
    POWER = "power"
    """The machine stopped: what was written last may be lost too, and nobody can tell how much."""
    UNWRITABLE = "unwritable"
    """They hold something that cannot be written down."""
    WAITING = "waiting"
    """They were answered long ago, and the process that lives has still not written them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Answers that were given and that the log does not have.

    Attributes:
        session: The process that answered.
        first: Number of the first of them in their session.
        last: Number of the last; others between the two may be there.
        rows: How many are missing; None where nobody can know.
        window: Holds the event times of all of them.
        reason: Why they are missing.
    """

    session: str
    first: int
    last: int
    rows: int | None
    window: Window
    reason: GapReason

    def __str__(self) -> str:
        rows = "an unknown number of answers" if self.rows is None else f"{self.rows:,} answers"
        start = self.window.start.isoformat(timespec="seconds")
        end = self.window.end.isoformat(timespec="seconds")
        return f"{rows} from {start} to {end} ({self.reason})"


class PredictionLog(Protocol):
    """What was answered live, one row a unit and arm."""

    def write(self, batch_id: str, rows: pd.DataFrame) -> None:
        """Add a batch; the same id again replaces it, so a repeated write doubles nothing."""

    def read(self, window: Window) -> pd.DataFrame:
        """All rows whose event time lies in the window."""

    def callers(self, window: Window) -> Callers:
        """Who asked for what in the window, by the rows' ``consumer`` and ``asked``.

        Rows that nobody received (``path`` is not ``primary``) do not count.
        """

    def gaps(self, window: Window) -> Sequence[Gap]:
        """What is known to be missing from the window, by session and number.

        Whoever reads rows and then asks for gaps is told of everything that the rows lack.
        """


class TrialFault(Protocol):
    """Why a version gave no answer at its first contact."""

    @property
    def code(self) -> str:
        """How it failed."""

    @property
    def sentence(self) -> str:
        """The same for people."""


class Trial(Protocol):
    """What came of a version's first contact with recorded rows."""

    @property
    def answers(self) -> np.ndarray | None:
        """Its answers, shape (rows,) or (rows, fields); None where there are none."""

    @property
    def seconds(self) -> float | None:
        """Wall time of answering; None where it never answered."""

    @property
    def fault(self) -> TrialFault | None:
        """Why there are no answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedSource:
    """A recorded source that evidence rests on.

    Attributes:
        name: The source's name in the system file.
        digest: Of system file, source and window; at most 36 characters.
        loader: Where it is, without credentials.
        window: The rows that were read.
    """

    name: str
    digest: str
    loader: str
    window: Window


class Evidence(Protocol):
    """Where a rollout's measurements and documents are kept for people and auditors."""

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
        """Keep what a rollout came to; the same rollout again replaces what was kept.

        Returns:
            Id under which it is kept.
        """

    def address(self, system: str, kept: str, artifact: str) -> str | None:
        """Where a browser finds an artifact of what is kept under an id; None where it cannot."""

    def heads(self, system: str, *, environment: str) -> Mapping[str, str]:
        """Where each journal head of an environment was kept, by hash."""


class Progress(Protocol):
    """Somebody who watches a long operation."""

    def __call__(self, words: str, done: int, total: int) -> None:
        """Say how far it is; `done` equal to `total` ends it."""
