"""What Prometheus may ask of a process, on a port of its own, not for the public. Base units; no ids as labels."""

from importlib.metadata import version
from typing import Final

from prometheus_client import Counter, Histogram, Info, start_http_server
from prometheus_client.core import REGISTRY
from prometheus_client.registry import Collector

from service.kit.settings import settings

REQUEST_SECONDS: Final = Histogram(
    "finetune_http_request_duration_seconds",
    "Requests by route, without those to resolve.",
    ["method", "route", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60),
)
TURNS_GRANTED: Final = Counter("finetune_turns_granted", "Jobs let go to the provider by this dispatcher.", ["model"])
_BUILD: Final = Info("finetune_build", "Which release this is.")


def serve(*collectors: Collector) -> None:
    """Answer Prometheus from now on, if there is a port for it; `collectors` are asked each time it comes."""
    _BUILD.info({"version": version("tuneplane"), "environment": settings().environment})
    if settings().metrics_port:
        for collector in collectors:
            REGISTRY.register(collector)
        start_http_server(settings().metrics_port)
