"""A guard for one defect of kombu 5.7.0.

When the broker drops while a message is unacknowledged, closing the dead channel asks it for connection parameters it no
longer has, and the worker exits with "'NoneType' object has no attribute 'hostname'". Raising the error every caller already
handles instead keeps it alive. tests/workers/test_broker.py kills the broker under a busy worker; when a release passes
without the guard, this file goes.
"""

from typing import Any, Final

import kombu
import redis.exceptions
from kombu.transport.redis import Channel

_AFFECTED: Final = (5, 7, 0)


def install() -> None:
    """Put the guard around kombu's channel, once. Newer kombu is left alone."""
    if tuple(int(part) for part in kombu.__version__.split(".")[:3]) != _AFFECTED or hasattr(Channel, "_tuneplane_guard"):
        return
    original = Channel._connparams  # noqa: SLF001 - the defect is in here

    def guarded(self: Any, *arguments: Any, **options: Any) -> Any:
        if getattr(self.connection, "client", None) is None:
            raise redis.exceptions.ConnectionError("the channel's connection is closed")
        return original(self, *arguments, **options)

    Channel._connparams = guarded  # noqa: SLF001
    Channel._tuneplane_guard = True  # noqa: SLF001
