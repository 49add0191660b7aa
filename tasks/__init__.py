"""Prefect tasks: one side effect each, with retries; the flows compose them."""
