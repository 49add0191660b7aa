"""No secret of an address is ever printed."""

import pytest

from sluiceway.addresses import shown


@pytest.mark.parametrize(
    ("address", "printed"),
    [
        ("postgresql://me:s3cr3t@db/mlflow", "postgresql://me:***@db/mlflow"),
        ("postgresql+psycopg://me:s3/cr:3t@db/x", "postgresql+psycopg://me:***@db/x"),
        ("https://t0ken@mlflow.example/", "https://***@mlflow.example/"),
        ("asked http://a:b@x:1/y and http://c:d@z", "asked http://a:***@x:1/y and http://c:***@z"),
        ("postgresql://db/x?user=me&password=s3cr3t", "postgresql://db/x?user=me&password=***"),
        ("sqlite:////home/a@b/mlflow.db", "sqlite:////home/a@b/mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_what_is_secret_in_an_address_is_masked(address: str, printed: str) -> None:
    assert shown(address) == printed
