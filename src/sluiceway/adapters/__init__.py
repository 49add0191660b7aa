"""Adapters: each touches one part of the world, behind a port of :mod:`sluiceway.ports`."""
