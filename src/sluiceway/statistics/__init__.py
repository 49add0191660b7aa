"""Metrics, their errors, and evidence that may be looked at many times."""
