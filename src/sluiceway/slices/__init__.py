"""Slices: parts of the rows that get a guard of their own, declared or found."""

from sluiceway.slices.finding import find_slices
from sluiceway.slices.values import Condition, Slice, SliceVariable, slices_of

__all__ = ["Condition", "Slice", "SliceVariable", "find_slices", "slices_of"]
