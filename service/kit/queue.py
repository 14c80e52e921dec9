"""Publishing hints. Only the dispatcher does; a hint that is lost costs seconds, because the row stays due.

Fails fast: a publisher must never wait for a broker that does not answer (by default it would, for ever).
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from uuid import UUID

import kombu.exceptions
import redis.exceptions
from celery import Celery

from service.kit.settings import settings
from service.kit.work import Kind

HINT_EXPIRES_SECONDS: Final = 30  # a hint that waited this long is dropped: the row has been hinted at again


class BrokerAway(Exception):
    """The broker did not take the message within a second."""


@lru_cache
def producer() -> Celery:
    """A Celery application that can only send."""
    app = Celery("tuneplane-dispatcher", broker=settings().broker_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        task_serializer="json",
        task_ignore_result=True,
        task_publish_retry=False,
        broker_connection_timeout=1,
        broker_pool_acquire_timeout=2,
        broker_transport_options={"socket_timeout": 1, "socket_connect_timeout": 1},
    )
    return app


def hint(kind: Kind, ids: Sequence[UUID]) -> None:
    """One message for a batch of rows. Raises BrokerAway."""
    try:
        producer().send_task(
            kind.name, args=[[str(one) for one in ids]], queue=kind.queue, expires=HINT_EXPIRES_SECONDS, retry=False
        )
    except (kombu.exceptions.KombuError, redis.exceptions.RedisError, OSError) as error:
        raise BrokerAway(str(error)) from error
