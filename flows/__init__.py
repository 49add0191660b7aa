"""Prefect flows: compositions only. An `if` in a flow reads a verdict, never a number."""
