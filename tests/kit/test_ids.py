"""Ids as users see them."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.kit import ids


def test_a_later_id_sorts_after_an_earlier_one_in_both_forms() -> None:
    made = [ids.new_id() for _ in range(200)]
    assert made == sorted(made)
    shown = [ids.show("job", one) for one in made]
    assert shown == sorted(shown)


@given(st.uuids(version=4))
def test_what_is_shown_is_read_again(value: UUID) -> None:
    assert ids.read("dset", ids.show("dset", value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "job",
        "job_",
        "job_short",
        "JOB_01k8z0q3v6fq0r2m9t6c4x5y7z",
        "team_01k8z0q3v6fq0r2m9t6c4x5y7z",  # another noun's
        "01k8z0q3v6fq0r2m9t6c4x5y7z",
        "job_81k8z0q3v6fq0r2m9t6c4x5y7z",  # more than 128 bits
        "job_01k8z0q3v6fq0r2m9t6c4x5y7z ",
        "job_01k8z0q3v6fq0r2m9t6c4x5y7z\x00",
        "job_\uff101k8z0q3v6fq0r2m9t6c4x5y7z",
        "job_" + "0" * 10_000,
    ],
)
def test_a_malformed_or_foreign_id_is_not_found_and_nothing_worse(text: str) -> None:
    with pytest.raises(ids.UnknownId) as refused:
        ids.read("job", text)
    assert refused.value.code == "not_found"


@pytest.mark.parametrize(
    ("prefix", "noun"), [("dset", "dataset"), ("recon", "reconciliation"), ("uown", "owner of usage")]
)
def test_a_refusal_says_the_noun_and_not_its_prefix(prefix: str, noun: str) -> None:
    with pytest.raises(ids.UnknownId, match=rf"^There is no {noun} with the id 'x'\.$"):
        ids.read(prefix, "x")


@given(st.text(max_size=60))
def test_no_text_whatever_makes_reading_crash(text: str) -> None:
    with pytest.raises(ids.UnknownId):
        ids.read("job", text)
