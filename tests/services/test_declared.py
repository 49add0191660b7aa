"""The services file is refused whole, and filled in whole."""

from pathlib import Path

import pytest

from sluiceway.errors import BadInput
from sluiceway.services.declared import Places, read_services, secrets_named, services_of

OURS = Path(__file__).parents[2] / "deployments" / "services.yaml"
FILE = """
environment: {API: "{web.url}/api", KEY: "{secret.key}"}
services:
  web: {port: 5000, ready: /health, command: [web, "--port={port}", "--in={home}"]}
  worker: {command: [work], environment: {API: "{web.url}/other"}}
"""


def written(folder, text):
    file = folder / "services.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_every_placeholder_is_filled_in(tmp_path):
    shape = read_services(written(tmp_path, FILE))
    assert secrets_named(shape) == ("key",)
    places = Places(home=tmp_path, shift=7, secrets={"key": "k"})
    web, worker = services_of(shape, places)
    assert web.command == ("web", "--port=5007", f"--in={tmp_path}")
    assert (web.url, web.ready) == ("http://127.0.0.1:5007", "http://127.0.0.1:5007/health")
    assert web.environment == {"API": "http://127.0.0.1:5007/api", "KEY": "k"}
    assert (worker.port, worker.ready) == (None, None)
    assert worker.environment["API"] == "http://127.0.0.1:5007/other"


def test_a_default_gives_way_to_what_is_given_and_what_is_added_reaches_all(tmp_path):
    text = """
environment: {FIXED: ours}
defaults: {A: "a of {home}", B: b}
services:
  web: {command: [web], defaults: {B: own, C: c}}
  worker: {command: [work]}
"""
    shape = read_services(written(tmp_path, text))
    added = {"B": "given", "FIXED": "theirs", "PASSWORD": "{no place}"}
    places = Places(home=tmp_path, shift=0, secrets={}, given=frozenset({"C", *added}), added=added)
    web, worker = services_of(shape, places)
    everywhere = {"A": f"a of {tmp_path}", "PASSWORD": "{no place}", "FIXED": "ours", "B": "given"}
    assert web.environment == everywhere
    assert worker.environment == everywhere
    bare = Places(home=tmp_path, shift=0, secrets={})
    assert services_of(shape, bare)[0].environment["B"] == "own"


def test_all_faults_are_told_together(tmp_path):
    text = """
environment: {A: "{nothing}"}
services:
  web: {port: 5000, command: [web, "{other.url}"]}
  two: {port: 5000, command: [two]}
  three: {ready: /health, command: [three, "{port}"]}
"""
    with pytest.raises(BadInput) as refused:
        read_services(written(tmp_path, text))
    assert [str(fault) for fault in refused.value.faults] == [
        "services.yaml: services.two.port: listens where web does: 5000",
        "services.yaml: services.three.ready: is a path, and there is no port",
        "services.yaml: environment: {nothing} stands for nothing here; "
        "there are: home, shift, two.url, web.url, secret.NAME",
        "services.yaml: services.web.command: {other.url} stands for nothing here; "
        "there are: home, port, shift, two.url, web.url, secret.NAME",
        "services.yaml: services.three.command: {port} stands for nothing here; "
        "there are: home, shift, two.url, web.url, secret.NAME",
    ]


def test_the_projects_own_file_is_one(tmp_path):
    shape = read_services(OURS)
    secrets = dict.fromkeys(secrets_named(shape), "s")
    services = services_of(shape, Places(home=tmp_path, shift=0, secrets=secrets))
    assert [one.name for one in services][:2] == ["mlflow", "prefect"]
