"""The gateway's HTTP interface: who may ask, within which limits, and what goes back."""

from importlib.metadata import version
from typing import Final

VERSION: Final = version("sluiceway")
"""What the gateway says of itself."""
