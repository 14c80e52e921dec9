"""Our counts against tiktoken's own."""

import os
import subprocess
import sys
from pathlib import Path
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.provider import tokens

SURROGATES = st.characters(categories=["Cs"])
ANY_TEXT = st.text(st.characters() | SURROGATES, max_size=300)
SCRIPTS = st.text(
    st.sampled_from(
        "the The THE 'll don’t 12345 日本語 漢字かな 한국어 नमस्ते عربى 😀👩‍👩‍👧🇩🇪 é́ \t\n\r  __init__(self): {}[]=>;"
    ),
    max_size=400,
)
RUNS = st.builds(
    lambda text, times: text * times, st.text(st.characters(), min_size=1, max_size=2), st.integers(1, 3000)
)
SPECIALS = st.lists(
    st.sampled_from(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|endofprompt|>", "<|fim_prefix|>", "<|", " a\n"])
).map("".join)
PIECES = st.lists(ANY_TEXT | SCRIPTS | SPECIALS | RUNS, max_size=4).map("".join)


@pytest.mark.parametrize("encoding", tokens.ENCODINGS)
@given(text=PIECES)
@hypothesis_settings(max_examples=250, deadline=None)
def test_a_count_is_the_number_of_tokens_tiktoken_makes(encoding: str, text: str) -> None:
    assert tokens.count(encoding, text) == len(tokens.reference(encoding).encode_ordinary(text))


@pytest.mark.parametrize("encoding", tokens.ENCODINGS)
@pytest.mark.parametrize(
    "text",
    [
        "", " ", "\n", "\ud800", "a\udfffb", "\ud83d\ude00", "😀\ud800😀", "\x00", "\ufeff", "a" * 5000, " " * 5000,
        "\n" * 5000, "=" * 5000, "日" * 3000, "😀" * 1500, "<|endoftext|>" * 100, "a\u0301" * 2000, "1" * 5000,
    ],
    ids=lambda text: ascii(text[:12]),
)  # fmt: skip
def test_hostile_texts_count_the_same(encoding: str, text: str) -> None:
    assert tokens.count(encoding, text) == len(tokens.reference(encoding).encode_ordinary(text))


@pytest.mark.parametrize("encoding", tokens.ENCODINGS)
@pytest.mark.parametrize("unit", ["a", " ", "\n", "=", "日", "😀", "é", " \n", "aA1 "], ids=ascii)
def test_a_run_of_a_million_characters_takes_no_time(encoding: str, unit: str) -> None:
    """Backtracking or a quadratic merge would take minutes: one hostile line must not stop a worker."""
    count = tokens.counter(encoding)
    text = unit * (1_000_000 // len(unit))
    started = perf_counter()
    count(text)
    assert perf_counter() - started < 5


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o4-mini-2025-04-16", "o200k_base"),
        ("gpt-4-0613", "cl100k_base"),
        ("gpt-3.5-turbo-0125", "cl100k_base"),
        ("davinci-002", "cl100k_base"),
        ("curie", "r50k_base"),
        ("ft:gpt-4.1-mini-2025-04-14:acme:support:AbCd1234", "o200k_base"),
        ("ft:o4-mini-2025-04-16:acme::AbCd1234", "o200k_base"),
        ("ft:gpt-4-0613:acme::AbCd1234", "cl100k_base"),
        ("a-model-of-tomorrow", "o200k_base"),
    ],
)
def test_a_fine_tune_counts_like_its_base(model: str, encoding: str) -> None:
    assert tokens.encoding_of(model) == encoding


def test_an_encoding_we_have_no_ranks_of_is_counted_in_the_closest_one_and_says_so() -> None:
    text = "The quick brown fox – 素早い茶色の狐"
    assert not tokens.is_exact("r50k_base")
    assert tokens.count("r50k_base", text) == tokens.count("cl100k_base", text)
    assert tokens.count("of-tomorrow", text) == tokens.count("o200k_base", text)
    with pytest.raises(KeyError):
        tokens.reference("r50k_base")


def test_tiktoken_is_filled_without_network_and_a_damaged_file_is_not_used(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "TMPDIR": str(tmp_path),
        "https_proxy": "http://127.0.0.1:1",
        "http_proxy": "http://127.0.0.1:1",
    }
    environment.pop("TIKTOKEN_CACHE_DIR", None)
    program = [
        sys.executable,
        "-c",
        "from service.provider.tokens import reference; print(reference('cl100k_base').encode('Hi'))",
    ]
    for _ in range(2):
        run = subprocess.run(program, env=environment, capture_output=True, text=True, timeout=60, check=True)
        assert run.stdout == "[13347]\n"
    (ranks,) = [file for file in tmp_path.rglob("*") if file.is_file()]
    ranks.write_bytes(b"damaged")
    assert subprocess.run(program, env=environment, capture_output=True, timeout=60, check=False).returncode != 0
