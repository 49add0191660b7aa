"""Keys of approvers are kept, found by name, and shown to nobody else."""

import json
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from sluiceway.adapters.approver_secrets import (
    VARIABLE,
    EnvironmentKeys,
    FileKeys,
    MemoryKeys,
    keys_of,
)
from sluiceway.errors import BadInput
from sluiceway.rights import KeyStore

STORES = {
    "file": lambda folder: FileKeys(folder / "kept" / "approvers.json"),
    "memory": lambda _: MemoryKeys({}),
}


@pytest.fixture(params=STORES.values(), ids=STORES.keys())
def store(request: pytest.FixtureRequest, tmp_path: Path) -> KeyStore:
    make: Callable[[Path], KeyStore] = request.param
    return make(tmp_path)


def test_a_key_is_kept_replaced_and_forgotten(store: KeyStore) -> None:
    assert store.approvers() == ()
    assert store.key("ada") is None
    store.keep("ada", "AAAA")
    store.keep("Ada Löw <ada@shop.example>", "BBBB")
    assert store.approvers() == ("Ada Löw <ada@shop.example>", "ada")
    store.keep("ada", "CCCC")
    assert store.key("ada") == "CCCC"
    assert store.forget("ada")
    assert not store.forget("ada")
    assert store.approvers() == ("Ada Löw <ada@shop.example>",)


def test_a_file_of_keys_is_its_owners_alone(tmp_path: Path) -> None:
    store = FileKeys(tmp_path / "approvers.json")
    store.keep("ada", "AAAA")
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["approvers.json"]
    store.path.chmod(0o640)
    with pytest.raises(BadInput, match="others may read it, so it proves nothing; chmod 600"):
        store.key("ada")


@pytest.mark.parametrize("text", ["", "[]", '{"ada": 1}', '{"ada": "SECRET"'])
def test_what_is_no_file_of_keys_is_refused_and_never_quoted(tmp_path: Path, text: str) -> None:
    store = FileKeys(tmp_path / "approvers.json")
    store.path.write_text(text)
    store.path.chmod(0o600)
    with pytest.raises(BadInput) as refused:
        store.approvers()
    assert "is no JSON object of keys by approver" in str(refused.value)
    assert "SECRET" not in str(refused.value)


def test_what_the_environment_says_counts_before_a_store(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = keys_of(MemoryKeys({"ada": "STORED", "ben": "STORED"}))
    monkeypatch.delenv(VARIABLE, raising=False)
    assert (keys.key("ada"), EnvironmentKeys().approvers()) == ("STORED", ())
    monkeypatch.setenv(VARIABLE, json.dumps({"ada": "SET", "cy": "SET"}))
    assert [keys.key(name) for name in ("ada", "ben", "cy", "dee")] == [
        "SET", "STORED", "SET", None
    ]  # fmt: skip
    assert keys.approvers() == ("ada", "ben", "cy")
