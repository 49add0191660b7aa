"""Sluiceway moves machine-learning models that depend on each other into production."""
