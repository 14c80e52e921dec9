"""The Celery worker. Every setting is here because of something observed; the reason stands beside it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from celery import Celery, signals
from kombu import Queue

from service.kit import logs
from service.kit.db import forget_connections
from service.kit.settings import forget_provider_environment, settings
from workers.heartbeat import Heartbeat
from workers.kombu_guard import install as install_kombu_guard
from workers.schedule import QUEUES, STEPS, Step

forget_provider_environment()
install_kombu_guard()

app = Celery("tuneplane", broker=settings().broker_url.get_secret_value())
app.conf.update(
    # Messages carry ids only; anything but JSON is refused.
    task_serializer="json",
    accept_content=["json"],
    # Results live in Postgres: no backend, no second dependency on the broker.
    task_ignore_result=True,
    # Acknowledge on receipt: the row's lease is what brings lost work back. Late acks bring double runs after the
    # visibility timeout, and with 5.7.0 a worker that dies when the broker drops while a message is unacknowledged.
    task_acks_late=False,
    worker_prefetch_multiplier=1,
    worker_disable_prefetch=True,
    # Without a limit a hung step would hold its process for ever; the lease has long lapsed by then.
    task_time_limit=3600,
    # Processes are replaced now and then, so that a leak in a library stays small.
    worker_max_tasks_per_child=2000,
    # The default gives up after 100 tries and exits; a broker may be away for longer.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,  # READONLY and LOADING answers after a failover
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 5,  # finds out about a half-open connection
        "socket_keepalive": True,
        "health_check_interval": 10,
        "visibility_timeout": 3600,  # nothing is ever unacknowledged for long; see task_acks_late
    },
    # A step in flight when the broker drops goes on: the fence decides whether it may write.
    worker_cancel_long_running_tasks_on_connection_loss=False,
    # Fewer pub/sub paths to break. Liveness is measured by the age of due rows.
    worker_send_task_events=False,
    worker_enable_remote_control=False,
    worker_hijack_root_logger=False,
    task_queues=[Queue(name) for name in QUEUES],
    task_default_queue=QUEUES[0],
    task_create_missing_queues=False,
)
app.steps["consumer"].add(Heartbeat)


def _register(step: Step) -> None:
    @app.task(name=step.kind.name)
    def run(shown: Sequence[str]) -> None:
        step.run([UUID(one) for one in shown])


for _step in STEPS:
    _register(_step)


@signals.setup_logging.connect
def _log_as_json(**_: Any) -> None:
    logs.configure(settings().log_level)


@signals.worker_process_init.connect
def _begin_child(**_: Any) -> None:
    # Sockets must not be shared with the parent or with siblings.
    forget_connections()
