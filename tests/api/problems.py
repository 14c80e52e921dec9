"""What every refusal has in common."""

from typing import Any

import httpx2


def problem(response: httpx2.Response) -> dict[str, Any]:
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["status"] == response.status_code
    assert body["error"]["message"] == body["detail"]
    assert body["error"]["code"] == body["code"]
    return body
