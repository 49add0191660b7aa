"""Whole rollouts through the real flows, on real parts."""
