"""Personal data: what is found, what only looks like it, and how it is hidden."""

import pytest

from service.datasets.rules.texts.facts import facts_of
from service.datasets.rules.texts.masks import mask


def found(text: str) -> list[tuple[str, str]]:
    return [(one.code, text[one.start : one.end]) for one in facts_of(text).findings]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        ("personal_email", "anna.meier@kontor-nord.de"),
        ("personal_email", "o'neil+news@mail.acme.co.uk"),
        ("personal_email", "12345@163.com"),
        ("personal_card", "4111 1111 1111 1111"),
        ("personal_card", "4111111111111111"),
        ("personal_card", "3782-822463-10005"),
        ("personal_card", "2223003122003222"),
        ("personal_card", "6011 1111 1111 1117"),
        ("personal_card", "30569309025904"),
        ("personal_iban", "DE89 3704 0044 0532 0130 00"),
        ("personal_iban", "GB29NWBK60161331926819"),
        ("personal_iban", "NO9386011117947"),
        ("personal_iban", "MT84 MALT 0110 0001 2345 MTLC AST0 01S"),
        ("personal_phone", "+49 30 901820"),
        ("personal_phone", "+1 (415) 863-3000"),
        ("personal_phone", "+442079460018"),
        ("personal_ssn", "123-45-6788"),
    ],
)
@pytest.mark.parametrize("around", ["{}", "({})", "It is {}.", "电话{}谢谢", "x: {}\ny", '"{}"'])
def test_it_is_found_where_it_stands(code: str, value: str, around: str) -> None:
    assert found(around.format(value)) == [(code, value)]


@pytest.mark.parametrize(
    "text",
    [
        "john@example.com, a@mail.example.org, b@corp.invalid, c@x.test, d@box.local, e@host.example, root@localhost",
        "git@github.com:acme/app.git and noreply@acme.io",
        "icon@2x.png, lodash@4.17.21, pkg@1.0.0-beta.next, @app.route('/'), (q@k.transpose(-2, -1)), a @ b.sum",
        "4111 1111 1111 1112",  # Luhn
        "1111111111111117",  # nobody issues these
        "4444444444444444",  # all the same
        "0.4111111111111111, a4111111111111111, 4111-1111 1111-1111, 4 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1",
        "550e8400-e29b-41d4-a716-446655440000 1700000000000 2019-2020 2026-11-20T16:00:00",
        "DE89 3704 0044 0532 0130 01",  # checksum
        "DE89 3704 0044 0532 0130 0",  # length
        "XX89 3704 0044 0532 0130 00",  # country
        "ADE89370400440532013000",  # inside a word
        "+999 1234567 and x+1234567 and +0530 and 5+10000000=10000005",
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123-45-0000, 078-05-1120, 1123-45-6789, 123-45-67890",
        "192.168.0.1 and 8.8.8.8",
    ],
)  # fmt: skip
def test_what_only_looks_like_it_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_what_stands_close_together_is_told_apart() -> None:
    text = "anna@acme.io,ben@acme.io; DE89 3704 0044 0532 0130 00 BIC COBADEFF 4111 1111 1111 1111 737 or 123-45-6788"
    assert [code for code, _ in found(text)] == [
        "personal_email", "personal_email", "personal_iban", "personal_card", "personal_ssn",
    ]  # fmt: skip


def test_after_a_thousand_phones_in_one_text_the_form_decides() -> None:
    fakes = " ".join(f"+999 {number}" for number in range(1_000_000, 1_001_500))
    assert len(found(fakes)) == 500


@pytest.mark.parametrize(
    "token", ["<|endoftext|>", "<|im_start|>", "<|im_sep|>", "<|fim_middle|>", "[INST]", "[/INST]"]
)
def test_special_tokens_are_found(token: str) -> None:
    assert found(f"a{token}b") == [("special_token", token)]


def test_other_brackets_are_no_special_tokens() -> None:
    assert found("<s>gone</s> <|user|> <| im_end |> [INSTALL] a<|b") == []


def test_a_mask_says_what_was_there() -> None:
    text = "Write to anna@acme.io <|im_end|> or +49 30 901820."
    assert mask(text, facts_of(text).findings) == "Write to ‹email› <|im_end|> or ‹phone›."  # noqa: RUF001


def test_a_mask_takes_findings_in_any_order_overlapping_or_twice() -> None:
    findings = [("personal_card", 8, 12), ("secret_aws_key", 2, 6), ("personal_phone", 4, 9), ("secret_aws_key", 2, 6)]
    assert mask("0123456789ABCDEF", findings) == "01‹aws key›CDEF"  # noqa: RUF001
    assert mask("nothing", []) == "nothing"
