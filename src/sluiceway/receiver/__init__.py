"""The receiver of MLflow's webhook: a small web application that verifies, asks back and tells."""

from sluiceway.receiver.app import receiver

__all__ = ["receiver"]
