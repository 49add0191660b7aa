"""Evidence kept in memory."""

from collections.abc import Mapping, Sequence

from sluiceway.ports import ReplayedSource


class MemoryEvidence:
    """Implements :class:`sluiceway.ports.Evidence` in memory.

    Attributes:
        runs: What was recorded, by (system, rollout).
    """

    def __init__(self) -> None:
        self.runs: dict[tuple[str, str], dict[str, object]] = {}

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
        """Keep what a rollout came to."""
        self.runs[system, rollout_id] = {
            "metrics": dict(metrics),
            "params": dict(params),
            "tags": dict(tags),
            "artifacts": dict(artifacts),
            "models": list(models),
            "sources": list(sources),
        }
        return rollout_id

    def address(self, system: str, kept: str, artifact: str) -> None:
        """None: no browser sees into memory."""
        del system, kept, artifact

    def heads(self, system: str, *, environment: str) -> Mapping[str, str]:
        """Where each journal head was kept, by hash."""
        found = {}
        for (owner, rollout_id), run in self.runs.items():
            tags = run["tags"]
            assert isinstance(tags, dict)
            if owner == system and tags.get("sluiceway.environment") == environment:
                found[tags["sluiceway.journal_head"]] = f"the run of {rollout_id}"
        return found
