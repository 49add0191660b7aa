"""A release is its content: equal content, equal hash, whatever the order it was put together."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluiceway.releases import Member, Release, parse_member_name

words = st.text(alphabet="abcé_0", min_size=1, max_size=4)
members = st.builds(
    Member,
    model=words,
    version=st.integers(1, 9).map(str),
    contract_hash=words,
    artifact_sha256=words,
    features=st.dictionaries(words, words, max_size=2),
)
releases = st.lists(members, min_size=1, max_size=4).map(
    lambda several: Release(members={m.model: m for m in several})
)


@given(release=releases)
def test_the_order_of_members_and_features_does_not_change_the_hash(release: Release) -> None:
    turned = {
        name: replace(m, features=dict(reversed(m.features.items())))
        for name, m in reversed(release.members.items())
    }
    assert Release(members=turned).content_hash == release.content_hash


@given(release=releases)
def test_what_is_written_is_read_back(release: Release) -> None:
    read = Release.from_json(release.to_json())
    assert read == release
    assert read.content_hash == release.content_hash


@given(release=releases)
def test_a_contracts_number_beside_its_hash_changes_nothing(release: Release) -> None:
    """So what was written before numbers were kept is the same release, and is read."""
    numbered = Release(
        members={n: replace(m, contract_version="1.0.0") for n, m in release.members.items()}
    )
    before = release.to_json().replace('"contract_version":null,', "")
    assert "contract_version" not in before
    assert Release.from_json(before) == release == numbered
    assert Release.from_json(before).content_hash == numbered.content_hash
    read = Release.from_json(numbered.to_json())
    assert {m.contract_version for m in read.members.values()} == {"1.0.0"}


@given(
    release=releases,
    field=st.sampled_from(["version", "contract_hash", "artifact_sha256"]),
    value=words,
)
def test_any_change_of_a_member_is_another_release(
    release: Release, field: str, value: str
) -> None:
    model, member = next(iter(release.members.items()))
    assume(getattr(member, field) != value)
    changed = release.with_members([replace(member, **{field: value})])
    assert changed.content_hash != release.content_hash
    assert changed.changed_from(release) == (model,) == release.changed_from(changed)


@given(release=releases, added=members)
def test_joining_replaces_the_same_model_and_leaves_the_release_as_it_was(
    release: Release, added: Member
) -> None:
    before = dict(release.members)
    joined = release.with_members([added])
    assert release.members == before
    assert joined.members == {**before, added.model: added}
    assert joined.with_members([added]).content_hash == joined.content_hash
    assert set(joined.changed_from(release)) <= {added.model}


def test_versions_are_told_in_the_order_of_names() -> None:
    one = Member(model="z", version="1", contract_hash="", artifact_sha256="", features={})
    release = Release(members={"z": one, "a": replace(one, model="a", version="2")})
    assert list(release.versions.items()) == [("a", "2"), ("z", "1")]


@given(model=words, version=words)
def test_a_members_name_is_read_as_it_is_written(model: str, version: str) -> None:
    member = Member(model=model, version=version, contract_hash="", artifact_sha256="", features={})
    assert parse_member_name(member.name) == (model, version)


@pytest.mark.parametrize("text", ["", "fraud", "@2", "fraud@", "@"])
def test_a_name_without_model_or_version_is_refused_with_what_would_be_right(text: str) -> None:
    with pytest.raises(ValueError, match="write MODEL@VERSION, like dep_delay@2"):
        parse_member_name(text)
