"""Whatever comes in, the checker answers; and the fast, the exact and the emulator's reading of an example agree."""

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emulator import tokens as emulator_tokens
from emulator import validation as emulator_validation
from service.datasets.rules import counting, exact, plain
from service.datasets.rules.lines import Unreadable, has_lone_surrogate, read_json
from service.datasets.rules.problems import RULES, Severity
from service.datasets.rules.spread import Spread
from service.datasets.rules.strings import Strings, remarkable
from service.datasets.rules.strings import tokens as tokens_at
from service.provider import tokens
from tests.datasets.chat import ERRAND, O200K, SKETCH, TALK, file_of, good, read

COUNT = tokens.counter(O200K)
TEXT = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=12)
WORDS = st.sampled_from(
    ["role", "content", "name", "weight", "tool_calls", "tool_call_id", "function", "function_call", "arguments", "id",
     "type", "text", "image_url", "url", "messages", "tools", "functions", "refusal", "parameters", "assistant", "user",
     "system", "tool", "developer", "c1", "weather", "{}", "https://example.com/a.png", "", "\x00", "~/", "\ud800"]
)  # fmt: skip
LEAF = st.none() | st.booleans() | st.integers(-1, 2) | st.floats(allow_nan=False) | WORDS | TEXT
ANYTHING = st.recursive(LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4))


@st.composite
def mutated(draw: st.DrawFn) -> Any:
    """A good example in which a few places hold something else, or nothing."""
    example = json.loads(json.dumps(draw(st.sampled_from([TALK, ERRAND, SKETCH]))))
    for _ in range(draw(st.integers(0, 3))):
        place, key = draw(st.sampled_from(list(_places(example))))
        if isinstance(place, dict) and draw(st.booleans()):
            place[draw(WORDS)] = draw(ANYTHING)
        elif draw(st.booleans()):
            place[key] = draw(ANYTHING)
        else:
            del place[key]
        assume(list(_places(example)))
    return example


def _places(value: Any) -> Any:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield value, key
        yield from _places(inner)


@given(st.lists(st.binary(max_size=60) | mutated().map(line_of := lambda e: json.dumps(e).encode()), max_size=4))
@hypothesis_settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_line_makes_the_checker_stumble(lines: list[bytes]) -> None:
    report = read(file_of([*good(12), *lines, *good(3)]), chunk=997)
    json.dumps(report.as_json()).encode()
    for problem in report.problems:
        assert "\x00" not in problem.pointer + problem.message  # Postgres' JSON has no NUL
        (problem.pointer + problem.message).encode()


@given(st.binary(max_size=300))
@hypothesis_settings(max_examples=200, deadline=None)
def test_no_file_makes_the_checker_stumble(data: bytes) -> None:
    read(data)


@given(st.data())
@hypothesis_settings(max_examples=150, deadline=None)
def test_a_flipped_byte_makes_no_difference_to_the_lines_around(data: st.DataObject) -> None:
    lines = good(20)
    index, byte = data.draw(st.integers(0, 19)), data.draw(st.integers(0, len(lines[0]) - 1))
    broken = bytearray(lines[index])
    broken[byte % len(broken)] = data.draw(st.integers(0, 255).filter(lambda value: value != ord("\n")))
    lines[index] = bytes(broken)
    problems = read(file_of(lines)).problems
    assert {problem.line for problem in problems} <= {index + 1, None}


@given(mutated())
@hypothesis_settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_fast_path_is_silent_only_where_the_exact_one_is_and_counts_the_same(example: Any) -> None:
    written = json.dumps(example).encode()
    fast = plain.pieces_of(written, plain.ToolReader().read)
    if fast is None:
        return
    value = read_json(written)
    assert list(exact.findings(value)) == []
    assert not has_lone_surrogate(written, value)
    slow = counting.pieces_of(value)
    assert plainly(fast) == plainly(slow)


def plainly(pieces: counting.Pieces) -> list[Any]:
    said = [[list(part) if isinstance(part, list | tuple) else part for part in one] for one in pieces.said]
    return [said, *pieces[1:]]


@given(mutated())
@hypothesis_settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_we_accept_the_emulator_accepts_and_bills_the_same(example: Any) -> None:
    errors = [one for one in exact.findings(example) if RULES[one.code][0] is Severity.ERROR]
    if errors:
        return
    emulator_validation.check_example(example, 1, "supervised")
    weight = counting.weigh(counting.pieces_of(example), COUNT, 1, {})
    assert weight.tokens == emulator_tokens.count_example(example, O200K)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=60), st.integers(1, 60))
def test_a_spread_is_what_the_whole_list_would_say(values: list[int], limit: int) -> None:
    spread = Spread()
    for value in values:
        spread.add(value)
    told = spread.as_json()
    assert told is not None
    ordered = sorted(values)
    for name, share in (("p5", 0.05), ("median", 0.5), ("p95", 0.95)):
        place = share * (len(values) - 1)
        low = int(place)
        high = min(low + 1, len(values) - 1)
        expected = ordered[low] + (ordered[high] - ordered[low]) * (place - low)
        assert told[name] == pytest.approx(expected, abs=0.006)
    assert (told["total"], told["min"], told["max"]) == (sum(values), ordered[0], ordered[-1])
    cut = [min(limit, value) for value in values]
    assert sum(bucket["examples"] or 0 for bucket in spread.histogram()) == len(values)
    assert spread.histogram()[0] == {"up_to": 16, "examples": sum(value <= 16 for value in values)}
    assert spread.capped(limit) == (sum(cut), sum(value > limit for value in values), sum(values) - sum(cut))


def test_the_memory_of_strings_is_bounded_and_never_changes_a_count() -> None:
    asked: list[str] = []

    def count(text: str) -> int:
        asked.append(text)
        return len(text)

    strings = Strings([count, lambda text: 2 * len(text)], lambda text: "b" in text, chars_max=100)
    total = 0
    for text in ["a" * 40, "a" * 40, "b" * 50, "a" * 40, "c" * 60, "a" * 40, "d" * 500, "d" * 500]:
        packed = strings.count(text)
        total += packed
        assert (tokens_at(packed, 0), tokens_at(packed, 1)) == (len(text), 2 * len(text))
    assert [text[0] for text in asked] == ["a", "b", "c", "a", "d"]
    assert (tokens_at(total, 0), tokens_at(total, 1), remarkable(total)) == (1270, 2540, 1)
    assert (tokens_at(7 * strings.unit, 0), tokens_at(7 * strings.unit, 1), remarkable(7 * strings.unit)) == (7, 7, 0)


def test_reading_json_is_strict() -> None:
    for wrong in (b"NaN", b"[1,]", b'"\xed\xa0\x80"', b"-Infinity", b"1" * 5000):
        with pytest.raises(Unreadable):
            read_json(wrong)
