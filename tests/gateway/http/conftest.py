"""One shop a module: nothing of it changes by being asked."""

from collections.abc import Iterator

import pytest

from tests.gateway.http.shopfront import Shopfront, open_shop, served_shop


@pytest.fixture(scope="module")
def shop() -> Iterator[Shopfront]:
    """The shop with half of its units in canary."""
    with open_shop(served=served_shop(weight=50)) as front:
        yield front
