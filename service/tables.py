"""Every domain's tables in one metadata, for migrations and their drift check."""

from importlib import import_module

from service.kit.db import Base

_MODULES = (
    "service.kit.ticks", "service.kit.idempotency", "service.kit.circuit",
    *(f"service.{domain}.models" for domain in (
        "audit", "tenants", "connections", "webhooks", "catalog", "quotas", "costs", "datasets", "registry", "jobs",
    )),
    "service.costs.metering.models", "service.costs.reconciling.models",
)  # fmt: skip

for _module in _MODULES:
    import_module(_module)

metadata = Base.metadata
