"""What a gateway has kept, as tables of a system's sources: what was asked, what was posted."""

from dataclasses import dataclass
from pathlib import Path

from sluiceway.adapters.labels.table import PostedLabels
from sluiceway.adapters.live_log.reading import LivePredictionLog
from sluiceway.adapters.live_log.requests_table import AskedRows
from sluiceway.adapters.source_tables import SourceTable
from sluiceway.ports import Window
from sluiceway.system.inputs import Source
from sluiceway.system.values import System


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayTables:
    """Implements :class:`sluiceway.adapters.loaders.LiveTables`.

    Attributes:
        log: The log of answers.
        labels: The database of labels.
    """

    log: LivePredictionLog
    labels: Path

    def asked(self, system: System, source: Source, window: Window) -> SourceTable:
        """What was asked in a window."""
        return AskedRows(self.log, system, source, window)

    def posted(self, system: System, source: Source) -> SourceTable:
        """The labels that were posted."""
        return PostedLabels(self.labels, system, source)
