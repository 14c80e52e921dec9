"""Answers, prompts and languages of many examples: what is said, and that it is the same wherever the file is cut."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.datasets.rules.texts import answers, facts, languages, near, prompts
from service.datasets.rules.texts.answers import Answers
from service.datasets.rules.texts.languages import Languages
from service.datasets.rules.texts.prompts import Prompts
from service.datasets.rules.texts.refusals import is_refusal

CODES = {**facts.CODES, **near.CODES, **answers.CODES, **prompts.CODES, **languages.CODES}


def answered(texts: list[str], first: int = 1) -> Answers:
    gathered = Answers()
    for line, text in enumerate(texts, first):
        gathered.add(line, text)
    return gathered


def prompted(texts: list[str | None], first: int = 1) -> Prompts:
    gathered = Prompts()
    for line, text in enumerate(texts, first):
        gathered.add(line, text)
    return gathered


def spoken(texts: list[str], first: int = 1) -> Languages:
    gathered = Languages()
    for line, text in enumerate(texts, first):
        gathered.add(line, text)
    return gathered


def codes(findings: Any) -> list[str]:
    found = list(findings)
    for code, told in found:
        assert CODES[code][1].format(**told)
    return [code for code, _ in found]


# ----------------------------------------------------------------------------------------------------------- answers
@pytest.mark.parametrize(
    "text",
    [
        "I cannot answer this.", "I’m sorry, but I can't help with that.", "I am unable to assist with this request.",
        "Sorry, I can’t provide that.", "As an AI language model, I do not have feelings.",
        "Unfortunately I am not able to discuss this.", "Lo siento, no puedo ayudar con eso.",
        "Je ne peux pas répondre à cette question.",
        "Das kann ich leider nicht beantworten.", "Desculpe, não posso ajudar com isso.",
        "Mi dispiace, non posso aiutarti.",
        "Sorry, ik kan je daarbij niet helpen.", "很抱歉、我无法回答这个问题。",
        "申し訳ありませんが、お答えできません。",
        "죄송하지만 답변해 드릴 수 없습니다.", "Извините, я не могу ответить на этот вопрос.",
    ],
)  # fmt: skip
def test_refusals_are_known_in_many_languages(text: str) -> None:
    assert is_refusal(text)


@pytest.mark.parametrize(
    "text",
    ["", "Yes.", "I can't believe it is Friday!", "You cannot divide by zero.",
     "It cannot be undone; answer with care.",
     "As an aid to memory, write it down.", "Ich kann das gern beantworten.", "x" * 200 + " I cannot answer this.",
     "Sorry for the delay, the parcel left today."],
)  # fmt: skip
def test_answers_are_no_refusals(text: str) -> None:
    assert not is_refusal(text)


def test_many_refusals_are_said_and_few_are_not() -> None:
    often = answered(["Fine, here it is: a rather long answer that is no label at all, not by any count."] * 7
                     + ["I cannot answer this."] * 3)  # fmt: skip
    assert list(often.findings(10)) == [("many_refusals", {"refusals": 3, "answers": 10, "share": 30, "line": 8})]
    assert often.as_json() == {"answers": 10, "refusals": 3, "refusal_share": 0.3, "labels": []}
    assert not list(
        answered(["Here it is, " + "word " * number for number in range(90)] + ["I cannot help."] * 5).findings(95)
    )


def test_a_message_that_says_it_refuses_does() -> None:
    gathered = Answers()
    gathered.add(4, "No.", refused=True)
    assert gathered.as_json()["refusals"] == 1


def test_labels_and_their_balance() -> None:
    gathered = answered(["ham"] * 40 + ["spam"] * 4 + ["spma"])
    told = dict(gathered.findings(45))
    assert told["rare_labels"] == {"labels": 1, "line": 45}
    assert told["label_imbalance"] == {"labels": 3, "most": 40, "least": 4}
    assert [label["label"] for label in gathered.as_json()["labels"]] == [
        "ham",
        "spam",
        None,
    ]  # a rare one is not named
    assert codes(answered(["ham", "spam"] * 20).findings(40)) == []
    assert codes(answered(["ham"] * 20).findings(20)) == ["same_answer"]


def test_labels_spelled_in_two_ways() -> None:
    gathered = answered(["not_spam", "spam"] * 20 + ["Not spam."] * 5 + ["+1", "-1"] * 5)
    assert [told for code, told in gathered.findings(55) if code == "label_spelling"] == [
        {"line": 41, "examples": 5, "other": 1}
    ]


def test_a_sentence_is_no_name_of_a_label() -> None:
    gathered = answered(["card payment fee charged"] * 20 + ["she lives in the house by the sea"] * 20)
    assert [label["label"] for label in gathered.as_json()["labels"]] == ["card payment fee charged", None]


def test_answers_that_are_no_labels_are_not_kept() -> None:
    for texts in (
        [f"answer {number}" for number in range(101)] * 4,  # too many
        ["a", "b", "c"],  # hardly ever the same
        ["yes"] * 50 + ["y" * 65],  # too long
    ):
        gathered = answered(texts)
        assert gathered.as_json()["labels"] == []
        assert codes(gathered.findings(len(texts))) == []
    secret = answered(["anna@acme.io", "two\nlines"] * 20)
    assert [label["label"] for label in secret.as_json()["labels"]] == [None, None]
    assert b"anna" not in msgspec.msgpack.encode(secret)


# ----------------------------------------------------------------------------------------------------------- prompts
def test_the_same_prompt_everywhere_or_nowhere_is_nothing_to_say() -> None:
    assert codes(prompted(["Be kind."] * 20).findings()) == []
    assert codes(prompted([None] * 20).findings()) == []
    assert codes(prompted([f"Context {number}" for number in range(2000)]).findings()) == []


def test_what_differs_between_prompts_is_said() -> None:
    gathered = prompted([*["Be kind."] * 17, None, "be  kind.", "Be brief.", " \n"])
    assert list(gathered.findings()) == [
        ("system_prompt_missing", {"without": 2, "examples": 21, "line": 18}),
        ("system_prompts_differ", {"share": 89, "others": 2, "line": 19}),
        ("system_prompt_near_miss", {"examples": 1, "line": 19, "other": 1}),
    ]
    assert codes(gathered.findings())
    assert gathered.as_json() == {
        "without": 2,
        "distinct": 3,
        "prompts": [{"examples": 17, "line": 1}, {"examples": 1, "line": 19}, {"examples": 1, "line": 20}],
    }
    assert b"kind" not in msgspec.msgpack.encode(gathered)


def test_prompts_take_little_memory_however_many() -> None:
    gathered = prompted([f"Context {number}" for number in range(prompts.DISTINCT_MAX + 1)])
    assert gathered.as_json()["distinct"] is None
    assert len(msgspec.msgpack.encode(gathered)) < 100


# --------------------------------------------------------------------------------------------------------- languages
ENGLISH = "The parcel number {} has left the warehouse this morning and will arrive at your door tomorrow."
GERMAN = "Das Paket Nummer {} hat heute Morgen das Lager verlassen und kommt morgen bei Ihnen zu Hause an."
CHINESE = "编号为{}的包裹今天早上已经离开仓库、预计明天送到您的家门口、请注意查收、谢谢您的耐心等待。"


def test_two_languages_are_said_and_one_is_not() -> None:
    gathered = spoken(
        [ENGLISH.format(number) for number in range(30)] + [GERMAN.format(number) for number in range(10)]
    )
    gathered.settle()
    assert list(gathered.findings()) == [
        ("mixed_languages", {"share": 25, "main": "en", "others": "de", "line": 31}),
    ]
    assert codes(gathered.findings())
    assert codes(spoken([CHINESE.format(number) for number in range(30)]).findings()) == []


def test_short_texts_are_skipped_and_no_text_is_kept() -> None:
    gathered = spoken(["yes", "No way!", *[CHINESE.format(number) for number in range(5)]])
    gathered.settle()
    assert gathered.as_json() == {"sample": 5, "skipped": 2, "shares": {"zh": 1.0}}
    assert "包裹".encode() not in msgspec.msgpack.encode(gathered)


def test_the_sample_is_bounded() -> None:
    gathered = spoken([ENGLISH.format(number) for number in range(1500)])
    assert len(gathered.waiting) <= 2 * languages.SAMPLE
    assert gathered.as_json()["sample"] == languages.SAMPLE


# ------------------------------------------------------------------------------------------------------------- cuts
def joined(make: Any, texts: list[Any], cuts: list[int]) -> Any:
    """Segments of the texts, each sent through msgpack, joined from the left."""
    places = [0, *sorted(min(cut, len(texts)) for cut in cuts), len(texts)]
    whole = make([])
    for start, end in pairwise(places):
        segment = make(texts[start:end])
        if isinstance(segment, Languages):
            segment.settle()
        whole.join(msgspec.msgpack.decode(msgspec.msgpack.encode(segment), type=type(segment)), start)
    return whole


CUTS = st.lists(st.integers(0, 60), max_size=4)
ANSWER = st.sampled_from(
    ["yes", "no", "Yes", "no.", "maybe", "I cannot answer this.", "anna@acme.io", "a\nb", "", "\ud800",
     *(f"l{n}" for n in range(8))]
)  # fmt: skip


@given(st.lists(ANSWER, max_size=60), CUTS, st.integers(2, 12))
@hypothesis_settings(max_examples=200, deadline=None)
def test_answers_say_the_same_wherever_the_file_is_cut(texts: list[str], cuts: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(answers, "LABELS_MAX", most)
        whole, parts = answered(texts), joined(answered, texts, cuts)
        assert parts.as_json() == whole.as_json()
        assert list(parts.findings(len(texts))) == list(whole.findings(len(texts)))
        codes(whole.findings(len(texts)))


@given(
    st.lists(st.none() | st.sampled_from(["a", "A", "b", "b ", " ", *"cdefghi"]), max_size=60), CUTS, st.integers(1, 8)
)
@hypothesis_settings(max_examples=200, deadline=None)
def test_prompts_say_the_same_wherever_the_file_is_cut(texts: list[str | None], cuts: list[int], most: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(prompts, "DISTINCT_MAX", most)
        whole, parts = prompted(texts), joined(prompted, texts, cuts)
        assert parts.as_json() == whole.as_json()
        assert list(parts.findings()) == list(whole.findings())
        codes(whole.findings())


SPEECH = st.builds(str.format, st.sampled_from([ENGLISH, GERMAN, CHINESE, "short {}"]), st.integers(0, 12))


@given(st.lists(SPEECH, max_size=60), CUTS, st.integers(1, 25))
@hypothesis_settings(max_examples=60, deadline=None)
def test_languages_say_the_same_wherever_the_file_is_cut(texts: list[str], cuts: list[int], sample: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(languages, "SAMPLE", sample)
        whole, parts = spoken(texts), joined(spoken, texts, cuts)
        assert parts.as_json() == whole.as_json()
        assert list(parts.findings()) == list(whole.findings())
        codes(whole.findings())


def test_every_rule_is_a_warning_with_words() -> None:
    assert all(severity == "warning" and message.endswith(".") for severity, message in CODES.values())
