"""Brings a journal's database to the tables of :mod:`sluiceway.adapters.tables`."""
