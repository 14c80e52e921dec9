"""A sign of life: a file touched while a loop turns, so that asking for it costs one look at the file's age.

Off unless `TUNEPLANE_HEARTBEAT_FILE` names the file, which docker-compose.yml does.
"""

from typing import Any, Final

from celery import bootsteps

from service.kit.settings import settings

_BEAT_SECONDS: Final = 5.0


def beat() -> None:
    """The loop turned just now."""
    if file := settings().heartbeat_file:
        file.touch()


class Heartbeat(bootsteps.StartStopStep):
    """Beats while a worker's loop turns, which it does only while connected to the broker: no beat, no work taken.

    Celery drops a connection's timers with the connection and starts this step again with the next one.
    """

    requires = ("celery.worker.consumer.tasks:Tasks",)

    def start(self, consumer: Any) -> None:
        """A connection is there: beat from now on."""
        beat()
        consumer.timer.call_repeatedly(_BEAT_SECONDS, beat)
