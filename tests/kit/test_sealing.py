"""A sealed secret opens in its own place, with its own master key, unaltered, or not at all."""

import base64
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from service.kit.ids import new_id
from service.kit.sealing import SealingError, place, seal, unseal
from service.kit.settings import settings

SECRET = "sk-proj-a-very-secret-key"
HERE = place("connections", "sealed_key", new_id())


@pytest.fixture
def master(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    def use(key: str) -> None:
        monkeypatch.setenv("TUNEPLANE_MASTER_KEY", key)
        settings.cache_clear()

    use(_base64(b"k" * 32))
    yield use
    monkeypatch.undo()
    settings.cache_clear()


def _base64(key: bytes) -> str:
    return base64.b64encode(key).decode()


@pytest.mark.usefixtures("master")
class TestWithAMasterKey:
    def test_it_opens_where_it_was_sealed(self) -> None:
        assert unseal(seal(SECRET, HERE), HERE) == SECRET

    def test_it_holds_no_trace_of_the_secret_and_differs_each_time(self) -> None:
        first, second = seal(SECRET, HERE), seal(SECRET, HERE)
        assert SECRET.encode() not in first
        assert first != second

    @pytest.mark.parametrize(
        "elsewhere",
        [
            place("connections", "sealed_key", new_id()),
            place("connections", "other", new_id()),
            place("webhooks", "sealed_key", new_id()),
            b"",
        ],
        ids=["another row", "another column", "another table", "nowhere"],
    )
    def test_it_does_not_open_anywhere_else(self, elsewhere: bytes) -> None:
        with pytest.raises(SealingError, match="another row"):
            unseal(seal(SECRET, HERE), elsewhere)

    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
    @given(st.data())
    def test_one_flipped_bit_anywhere_is_noticed(self, data: st.DataObject) -> None:
        sealed = bytearray(seal(SECRET, HERE))
        sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        with pytest.raises(SealingError):
            unseal(bytes(sealed), HERE)

    def test_a_cut_value_is_refused_at_every_length(self) -> None:
        sealed = seal(SECRET, HERE)
        for length in range(len(sealed)):
            with pytest.raises(SealingError):
                unseal(sealed[:length], HERE)

    @given(st.text())
    @hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_text_can_be_a_secret(self, secret: str) -> None:
        assert unseal(seal(secret, HERE), HERE) == secret


def test_another_master_key_is_named_as_the_cause(master: Callable[[str], None]) -> None:
    sealed = seal(SECRET, HERE)
    master(_base64(b"K" * 32))
    with pytest.raises(SealingError, match="another master key"):
        unseal(sealed, HERE)


@pytest.mark.parametrize(
    ("key", "complaint"), [("", "it has 0"), (_base64(b"short"), "it has 5"), ("not base64!", "not base64")]
)
def test_without_a_proper_master_key_nothing_is_sealed(master: Callable[[str], None], key: str, complaint: str) -> None:
    master(key)
    with pytest.raises(SealingError, match=complaint) as refused:
        seal(SECRET, HERE)
    assert SECRET not in str(refused.value)
