"""A guard for one defect of kombu 5.7.0.

When the broker drops while a message is unacknowledged, closing the dead channel asks it for connection parameters it
no longer has, and the worker exits with "'NoneType' object has no attribute 'hostname'". Raising the error every caller
already handles instead keeps it alive. tests/workers/test_broker.py kills the broker under a busy worker; when a
release passes without the guard, this file goes.
"""

from importlib.metadata import version
from typing import Any, Final

import redis.exceptions
from kombu.transport.redis import Channel

_AFFECTED: Final = "5.7.0"


def install() -> None:
    """Put the guard around kombu's channel, once. Another kombu is left alone."""
    channel: Any = Channel
    if version("kombu") != _AFFECTED or hasattr(channel, "_tuneplane_guard"):
        return
    original = channel._connparams  # noqa: SLF001 - the defect is in here

    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise redis.exceptions.ConnectionError("the channel's connection is closed")
        return original(self, *arguments, **options)

    channel._connparams = guarded  # noqa: SLF001
    channel._tuneplane_guard = True  # noqa: SLF001
