"""What FOCUS wants told beside the data: who made it, and the schema of each dataset."""

import json
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from service.costs.focus.columns import BILLING_PERIOD, LATEST, FocusColumn, Version, columns

_CHANGED: Final = "2026-11-20T00:00:00Z"
"""When columns.py was last changed: a new schema is made then, and only then."""
_DATASETS: Final = ("Cost and Usage", "Billing Period")


def metadata(version: Version) -> dict[str, Any]:
    """DataGenerator and a Schema for each dataset of the version; 1.4 has two."""
    datasets = _DATASETS if version == LATEST else _DATASETS[:1]
    return {"DataGenerator": "Tuneplane", "Schemas": [_schema(dataset, version) for dataset in datasets]}


def schema_id(dataset: str, version: Version) -> str:
    """Names the schema; another one as soon as any column is another."""
    told = json.dumps([dataset, version, _definitions(dataset, version)])
    return str(uuid5(NAMESPACE_URL, f"tuneplane:focus:{told}"))


def _schema(dataset: str, version: Version) -> dict[str, Any]:
    return {
        "SchemaId": schema_id(dataset, version),
        "FocusVersion": version,
        "CreationDate": _CHANGED,
        "Dataset": dataset,
        "ColumnDefinition": _definitions(dataset, version),
    }


def _definitions(dataset: str, version: Version) -> list[dict[str, Any]]:
    if dataset == "Billing Period":
        return [FocusColumn(one.name, one.kind, "M", str).definition() for one in BILLING_PERIOD]
    return [one.definition() for one in columns(version)]
