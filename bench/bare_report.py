"""The limits of a cost report: bare routes that fetch a roll-up made by hand, and that add the ledger up each time."""

import os
from typing import Any, Final

import msgspec
import psycopg
from fastapi import FastAPI, Response
from psycopg.rows import dict_row

URL: Final = "BENCH_DATABASE_URL"
_ROLLUP: Final = "SELECT * FROM handmade ORDER BY team, base_model, month"
_GROUP_BY: Final = """
    SELECT team_slug AS team, base_model, to_char(posted_on, 'YYYY-MM') AS month, sum(estimated) AS estimated,
           sum(amount) FILTER (WHERE accrued AND kind <> 'adjustment') AS accrued,
           sum(amount) FILTER (WHERE NOT accrued AND kind <> 'adjustment') AS settled,
           sum(amount) FILTER (WHERE kind = 'adjustment') AS adjusted, sum(amount) AS cost,
           sum(quantity) FILTER (WHERE meter = 'training_tokens') AS quantity
    FROM ledger_entries WHERE team_id = (SELECT id FROM teams WHERE slug = %s)
    GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


def app() -> FastAPI:
    """For uvicorn's --factory. One connection, nobody else asks."""
    made = FastAPI()
    connection = psycopg.connect(os.environ[URL], autocommit=True, row_factory=dict_row)

    def fetched(query: str, *values: object) -> Response:
        rows: list[dict[str, Any]] = connection.execute(query, values).fetchall()
        return Response(msgspec.json.encode({"rows": rows}), media_type="application/json")

    @made.get("/readyz")
    def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @made.get("/rollup")
    def rollup() -> Response:
        return fetched(_ROLLUP)

    @made.get("/group-by")
    def group_by(team: str) -> Response:
        return fetched(_GROUP_BY, team)

    return made
