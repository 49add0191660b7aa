"""Contracts: what producers promise and demand, how two differ, and whether they are kept."""
