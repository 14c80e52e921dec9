"""The limit of what answers over FastAPI: a route that does nothing, without any middleware."""

from fastapi import FastAPI


def app() -> FastAPI:
    """For uvicorn's --factory."""
    made = FastAPI()

    @made.get("/readyz")
    async def readyz() -> dict[str, str]:
        return {"status": "ready"}

    @made.get("/constant")
    async def constant() -> dict[str, str]:
        return {"model": "ft:gpt-4.1-mini-2025-04-14:acme::00000000"}

    return made
