"""A rollout told to people: one HTML page, plain text, and one sentence for each event."""

from sluiceway.reports.explaining import explain, in_one_line
from sluiceway.reports.page import render_report
from sluiceway.reports.sentences import sentence

__all__ = ["explain", "in_one_line", "render_report", "sentence"]
