"""Models at a provider."""

from service.provider.errors import AccountRefused, NotThere, RateLimited, Refused, Unknown
from service.provider.openai.client import client, translated
from service.provider.shapes import Answer, Credentials


def model_ids(credentials: Credentials) -> list[str]:
    """Every model the account may use, asked even while its circuit is open. Raises Paused."""
    with translated(credentials, None):
        return [one.id for one in client(credentials).models.list()]


def answers(credentials: Credentials, model_id: str) -> Answer:
    """Ask the model for one token. For some minutes after success a model may answer 404 or 429 (help 6643004).

    Raises Paused.
    """
    try:
        with translated(credentials, None):  # no answer from a model says nothing about the account
            client(credentials).chat.completions.create(
                model=model_id, messages=[{"role": "user", "content": "ping"}], max_completion_tokens=1
            )
    except AccountRefused:
        return Answer.LOCKED_OUT
    except NotThere:
        return Answer.GONE
    except (RateLimited, Unknown):
        return Answer.NOT_YET
    except Refused:
        return Answer.REFUSED
    return Answer.READY
