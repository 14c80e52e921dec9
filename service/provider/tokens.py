"""Counting tokens exactly as OpenAI's tokenizers do, without network. The only file of the service that imports one.

Counts come from `bpe_openai` (Rust, twice tiktoken's speed) and equal tiktoken's `encode_ordinary`: text that spells a
special token (`<|endoftext|>`) counts as the text it is, a lone surrogate as U+FFFD. The tests hold the two together.
"""

import gzip
import hashlib
import os
import re
import tempfile
from collections.abc import Callable
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import tiktoken

O200K: Final = "o200k_base"
CL100K: Final = "cl100k_base"
ENCODINGS: Final = (O200K, CL100K)
_RANKS_URL: Final = "https://openaipublic.blob.core.windows.net/encodings/{}.tiktoken"
# The 2023 models and older ones (openai.md §3.8). They cannot be trained any more, so an estimate is enough.
_CLOSEST: Final = {"r50k_base": CL100K, "p50k_base": CL100K, "p50k_edit": CL100K, "gpt2": CL100K}
_OLDER: Final = re.compile(r"gpt-4(?![.o])|gpt-3\.5|babbage-002|davinci-002")
_OLDEST: Final = re.compile(r"(?:text-)?(?:ada|babbage|curie|davinci)")


def is_exact(encoding: str) -> bool:
    """Whether counts in this encoding are exact. Others are counted in the closest one and must be labelled so."""
    return encoding in ENCODINGS


def encoding_of(model: str) -> str:
    """The encoding of a base model or of a fine-tune of one (§3.8); of an unknown model the newest, o200k_base.

    The base is the second part of `ft:<base>:…`: tiktoken's own prefix rule takes `ft:gpt-4.1-…` for gpt-4.
    """
    base = model.split(":")[1] if model.startswith("ft:") else model
    if _OLDER.match(base):
        return CL100K
    return "r50k_base" if _OLDEST.match(base) else O200K


@lru_cache
def counter(encoding: str) -> Callable[[str], int]:
    """A function from text to its number of tokens. Of r50k and p50k it is cl100k's, of an unknown encoding o200k's.

    The first call of an encoding takes half a second, which is why nothing is loaded before.
    """
    from bpe_openai import _bindings  # noqa: PLC0415

    exact = encoding if is_exact(encoding) else _CLOSEST.get(encoding, O200K)
    count_valid: Callable[[str], int] = _bindings.tokenizer_for_encoding(exact).count

    def count_any(text: str) -> int:
        try:
            return count_valid(text)
        except UnicodeEncodeError:
            return count_valid(_without_lone_surrogates(text))

    return count_any


def count(encoding: str, text: str) -> int:
    """The number of tokens of `text`, as `counter` counts."""
    return counter(encoding)(text)


def _without_lone_surrogates(text: str) -> str:
    """What tiktoken makes of text that is not valid Unicode."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


@lru_cache
def reference(encoding: str) -> "tiktoken.Encoding":
    """The encoding as tiktoken has it, without network: the yardstick of `counter`, and the tokens themselves.

    tiktoken looks for its rank files in $TIKTOKEN_CACHE_DIR under the sha1 of their address, and checks their sha256
    itself, so a wrong file cannot be used. They are bundled in bpe_openai. Raises KeyError where `is_exact` is false.
    """
    if not is_exact(encoding):
        raise KeyError(encoding)
    import tiktoken  # noqa: PLC0415

    os.environ["TIKTOKEN_CACHE_DIR"] = str(_rank_file(encoding).parent)
    return tiktoken.get_encoding(encoding)


def _rank_file(encoding: str) -> Path:
    """The rank file where tiktoken will look for it, in a folder of this user; written whole or not at all."""
    folder = Path(tempfile.gettempdir()) / f"tuneplane-{os.getuid()}" / "tiktoken"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    address = _RANKS_URL.format(encoding)
    file = folder / hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
    if not file.exists():
        package = find_spec("bpe_openai")
        if package is None or package.origin is None:
            raise FileNotFoundError("bpe_openai is not installed")
        bundled = Path(package.origin).parent / "data" / f"{encoding}.tiktoken.gz"
        with tempfile.NamedTemporaryFile(dir=folder, delete=False) as partial:
            partial.write(gzip.decompress(bundled.read_bytes()))
        Path(partial.name).replace(file)
    return file
