"""Beginning: a project for a system that nobody has declared yet, drafted from its registry."""

from sluiceway.adoption.drafting import DraftedModel, draft_files

__all__ = ["DraftedModel", "draft_files"]
