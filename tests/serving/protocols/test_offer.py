"""What may be asked follows from what is served."""

from dataclasses import replace

import pytest

from sluiceway.serving.protocols.offer import offer_of
from sluiceway.serving.refusals import RefusalCode, Refused
from tests.gateway.http.shopfront import served_shop


def test_a_model_needs_the_features_of_its_whole_chain() -> None:
    offer = offer_of(served_shop())
    assert {name: set(model.features) for name, model in offer.models.items()} == {
        "fraud": {"amount", "hour", "signal"},
        "handling": {"amount", "hour", "signal", "distance"},
        "cost": {"amount", "hour", "signal"},
        "priority": {"amount", "hour", "signal", "distance", "kind"},
    }


def test_texts_are_known_by_all_their_names() -> None:
    assert offer_of(served_shop()).texts == {"order_id", "kind", "kind@1.0.0", "orders.kind"}


def test_versions_are_told_apart_by_their_releases() -> None:
    served = served_shop(weight=10)
    offer = offer_of(served)
    (pairing,) = served.pairings
    assert offer.version_of("fraud", pairing.candidate.content_hash) == "2"
    assert offer.version_of("fraud", served.champion.content_hash) == "1"
    assert offer.version_of("fraud", "of another day") == ""
    assert offer.models["fraud"].versions == ("1", "2")


@pytest.mark.parametrize(
    ("model", "version", "code"),
    [
        ("nope", None, RefusalCode.UNKNOWN_MODEL),
        ("fraud", "3", RefusalCode.UNKNOWN_VERSION),
        ("cost", "2", RefusalCode.UNKNOWN_VERSION),
    ],
)
def test_what_does_not_serve_is_refused(model: str, version: str | None, code: str) -> None:
    with pytest.raises(Refused) as refused:
        offer_of(served_shop()).model(model, version)
    assert refused.value.code == code


def test_a_version_is_described_by_its_own_contract() -> None:
    served = served_shop()
    first = served.contracts["fraud", "1"]
    (output,) = first.output
    second = replace(first, output=(replace(output, dtype="long"),))
    offer = offer_of(replace(served, contracts={**served.contracts, ("fraud", "2"): second}))
    assert offer.dtypes("fraud", None) == offer.dtypes("fraud", "1") == {"probability": "double"}
    assert offer.dtypes("fraud", "2") == {"probability": "long"}
