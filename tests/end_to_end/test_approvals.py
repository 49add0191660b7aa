"""Approvers' keys on a real Prefect server; how people answer there stands in test_browser.py."""

from sluiceway.secret_blocks import SecretBlockKeys, block_name
from tests.end_to_end.prefect_server import PrefectServer


def test_keys_are_kept_as_blocks_of_the_server(prefect_flows: PrefectServer) -> None:
    store = SecretBlockKeys()
    names = ("Ada Löw <ada@shop.example>", "ada-low-ada-shop-example", "李")
    for name in names:
        store.keep(name, f"KEY{len(name)}")
    store.keep("李", "NEW")
    assert [store.key(name) for name in (*names, "dee")] == ["KEY26", "KEY24", "NEW", None]
    assert set(names) <= set(store.approvers())
    assert len({block_name(name) for name in names}) == len(names)
    assert store.forget("李")
    assert not store.forget("李")
    assert store.key("李") is None
