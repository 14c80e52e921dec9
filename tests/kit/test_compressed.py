"""Unpacking: everything that was packed and nothing else, in small steps, and no bombs."""

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable

import pytest
from backports import zstd
from backports.zstd import CompressionParameter
from hypothesis import given
from hypothesis import strategies as st

from service.kit import compressed
from service.kit.compressed import FREE_BYTES, STEP_BYTES, Packing, Unpacker, packing_of
from service.kit.errors import TuneplaneError

PACKED: dict[Packing, Callable[[bytes], bytes]] = {Packing.GZIP: gzip.compress, Packing.ZSTD: zstd.compress}
BOTH = pytest.mark.parametrize("packing", list(Packing))
SKIPPED = b"\x52\x2a\x4d\x18\x05\x00\x00\x00notes"


def unpacked(packing: Packing, data: bytes, *, at_a_time: int = 1000) -> bytes:
    unpacker, out = Unpacker(packing), []
    for start in range(0, len(data), at_a_time):
        for piece in unpacker.feed(data[start : start + at_a_time]):
            assert 0 < len(piece) <= STEP_BYTES
            out.append(piece)
    unpacker.finish()
    return b"".join(out)


def refusal(packing: Packing, data: bytes) -> str:
    with pytest.raises(TuneplaneError) as refused:
        unpacked(packing, data)
    return refused.value.code


@BOTH
@given(parts=st.lists(st.binary(max_size=500), min_size=1, max_size=5), at_a_time=st.integers(1, 300))
def test_any_number_of_members_in_any_pieces_are_one_file(packing: Packing, parts: list[bytes], at_a_time: int) -> None:
    data = b"".join(PACKED[packing](part) for part in parts)
    assert packing_of(data) is packing
    assert unpacked(packing, data, at_a_time=at_a_time) == b"".join(parts)


@BOTH
def test_what_unpacks_to_much_comes_in_steps(packing: Packing) -> None:
    content = os.urandom(50_000) * 60
    assert unpacked(packing, PACKED[packing](content), at_a_time=2**20) == content
    exactly = bytes(3 * STEP_BYTES)
    assert unpacked(packing, PACKED[packing](exactly), at_a_time=2**20) == exactly


def test_a_zstd_frame_that_is_to_be_skipped_is() -> None:
    assert packing_of(SKIPPED) is Packing.ZSTD
    assert unpacked(Packing.ZSTD, SKIPPED + zstd.compress(b"tide") + SKIPPED) == b"tide"


@pytest.mark.parametrize("head", [b"", b"\x1f\x8b", b'{"messages"', b"PK\x03\x04", b"\x1f\x8b\x07\x00", b"(\xb5/\xfc"])
def test_what_is_not_packed_is_not_taken_for_it(head: bytes) -> None:
    assert packing_of(head) is None


@BOTH
def test_wherever_it_is_cut_off_it_is_truncated(packing: Packing) -> None:
    whole = PACKED[packing](os.urandom(300))
    assert {refusal(packing, whole[:end]) for end in range(len(whole))} == {"packed_truncated"}


@BOTH
def test_damage_is_noticed_wherever_a_checksum_can(packing: Packing) -> None:
    checked: dict[int, int] = {CompressionParameter.checksum_flag: 1}
    content = b"".join(b"%d turns\n" % n for n in range(2000))
    whole = gzip.compress(content) if packing is Packing.GZIP else zstd.compress(content, options=checked)
    for place in range(20, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0x55
        assert refusal(packing, bytes(damaged)) in {"packed_corrupt", "packed_truncated"}, place
    assert refusal(packing, b"never packed at all") == "packed_corrupt"


@BOTH
@pytest.mark.parametrize("garbage", [b"x", b"\0" * 512, b'{"messages": []}', b"\x1f\x8b\x07\x07\x07"])
def test_what_follows_the_end_is_not_passed_over(packing: Packing, garbage: bytes) -> None:
    assert refusal(packing, PACKED[packing](b"tide") + garbage) == "packed_trailing_garbage"


def test_a_window_beyond_8_mib_is_refused_and_one_of_8_mib_is_not() -> None:
    def windowed(log: int) -> bytes:
        packer = zstd.ZstdCompressor(options={CompressionParameter.window_log: log})  # size unknown, so it stays so
        return packer.compress(os.urandom(100_000)) + packer.flush()

    assert len(unpacked(Packing.ZSTD, windowed(23))) == 100_000
    assert refusal(Packing.ZSTD, windowed(24)) == "packed_window_too_large"


@BOTH
def test_a_bomb_is_refused_early_and_in_little_memory(packing: Packing) -> None:
    """A quarter of a gigabyte of nothing."""
    packer = zlib.compressobj(wbits=31) if packing is Packing.GZIP else zstd.ZstdCompressor()
    piece = bytes(2**20)
    bomb = b"".join([*(packer.compress(piece) for _ in range(256)), packer.flush()])
    given_out: list[int] = []

    def unpack() -> None:
        unpacker = Unpacker(packing)
        for start in range(0, len(bomb), 65536):
            given_out.extend(len(part) for part in unpacker.feed(bomb[start : start + 65536]))

    tracemalloc.start()
    try:
        with pytest.raises(compressed.UnpacksTooFar):
            unpack()
        assert tracemalloc.get_traced_memory()[1] < 4 * 2**20
    finally:
        tracemalloc.stop()
    assert sum(given_out) <= FREE_BYTES + 65536 * compressed.RATIO_MAX + STEP_BYTES


@BOTH
def test_what_repeats_itself_as_training_files_do_is_let_through(packing: Packing) -> None:
    """30 KB of system prompt in each example: among the most that honest files can be packed."""
    prompt = os.urandom(15_000).hex()
    content = "".join(f'{{"system": "{prompt}", "user": "{os.urandom(150).hex()}"}}\n' for _ in range(1000)).encode()
    packed = PACKED[packing](content)
    assert len(content) > FREE_BYTES
    assert len(unpacked(packing, packed, at_a_time=65536)) == len(content)
    print(f"{packing}: {len(content) / len(packed):.0f} times")


def test_a_million_empty_members_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compressed, "MEMBERS_MAX", 100)
    assert unpacked(Packing.GZIP, gzip.compress(b"") * 100) == b""
    assert refusal(Packing.GZIP, gzip.compress(b"") * 101) == "packed_in_too_many"
