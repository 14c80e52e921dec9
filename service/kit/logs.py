"""Structured logs: one JSON line an event, with the request, team and job it belongs to.

Never training text, never keys.

    log.info("job.submitted", provider_job_id=…)

Only ids, counts, codes and durations are logged. As a second lock a processor blanks whatever looks like a credential.
"""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Final, cast

import structlog

_SECRET: Final = re.compile(r"\b(?:sk-[\w-]{6,}|tp_[a-z0-9]+_[0-9A-Za-z]+_[0-9A-Za-z]+_\w+|whsec_\S+|Bearer\s+\S+)")

bind = structlog.contextvars.bind_contextvars
bound = structlog.contextvars.bound_contextvars
clear = structlog.contextvars.clear_contextvars


def get(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(name))


def configure(level: str = "INFO", *, stream: Any = None) -> None:
    """Send our own events and the libraries' (uvicorn, celery) to stderr as JSON lines."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("httpx2", "httpcore2", "openai", "uvicorn.access", "kombu", "amqp"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _redact(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str) and _SECRET.search(value):
            event[key] = _SECRET.sub("[redacted]", value)
    return event
