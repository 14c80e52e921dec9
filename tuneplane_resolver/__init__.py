"""Which model to call now: a small client for chatbots that ask Tuneplane, and go on when nobody answers.

    models = Resolver("https://tuneplane.example", api_key, folder="/var/cache/support-bot")
    model = models.resolve("support-bot", key=user_id).model

An answer is never older than the `max-age` it came with, unless Tuneplane does not answer: then the last good one is
served on for as long as its `stale-if-error` says, restarts included. `AsyncResolver` is the same for asyncio. Nothing
is connected to, read or started before the first question. docs/chatbots.md tells the rest.
"""

from tuneplane_resolver.answers import Resolution
from tuneplane_resolver.aresolver import AsyncResolver
from tuneplane_resolver.errors import KeyRefused, NotServed, ResolveError, Retired, Unanswered
from tuneplane_resolver.resolver import Resolver

__all__ = [
    "AsyncResolver", "KeyRefused", "NotServed", "Resolution", "ResolveError", "Resolver", "Retired", "Unanswered",
]  # fmt: skip
