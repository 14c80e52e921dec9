"""Provider accounts: where to call, as whom, with which key and how often. Operators own them, teams choose and share.

Invariants: a provider's key is stored sealed to its row and opens for workers and operators only; it never appears in
an answer, a log, the audit or a repr. At most one connection is the default of teams that chose none. Nothing new goes
to an account that an operator paused or that is unwell (kit/circuit.py); an archived one is nobody's choice.
"""

from service.connections.commands import (
    archive,
    create,
    pause,
    replace_key,
    request_test,
    resume,
    set_admin_key,
    set_slots,
    set_webhook_secret,
    update_connection,
)
from service.connections.errors import ConnectionNotFound, NoConnection
from service.connections.models import TEST
from service.connections.provider_webhooks import purge_webhooks, take_webhook
from service.connections.queries import (
    AccountFacts,
    BilledAccount,
    ConnectionFacts,
    MeteredAccount,
    Pause,
    account,
    accounts,
    admin_credentials,
    billed,
    credentials,
    default,
    find,
    in_use,
    metered,
    of_team,
    pauses,
    tests_under_way,
)
from service.connections.rules import Kind
from service.connections.schemas import (
    AdminKeySet,
    ConnectionCreate,
    ConnectionTestView,
    ConnectionUpdate,
    ConnectionView,
    KeyReplace,
    PauseRequest,
    SlotsSet,
    WebhookSecretSet,
)
from service.connections.slots import Slots, learn_slots, slots
from service.connections.views import list_connections, show_connection, show_test

__all__ = [
    "TEST", "AccountFacts", "AdminKeySet", "BilledAccount", "ConnectionCreate", "ConnectionFacts",
    "ConnectionNotFound", "ConnectionTestView", "ConnectionUpdate", "ConnectionView", "KeyReplace", "Kind",
    "MeteredAccount", "NoConnection", "Pause", "PauseRequest", "Slots", "SlotsSet", "WebhookSecretSet", "account",
    "accounts", "admin_credentials", "archive", "billed", "create", "credentials", "default", "find", "in_use",
    "learn_slots", "list_connections", "metered", "of_team", "pause", "pauses", "purge_webhooks", "replace_key",
    "request_test", "resume", "set_admin_key", "set_slots", "set_webhook_secret", "show_connection", "show_test",
    "slots", "take_webhook", "tests_under_way", "update_connection",
]  # fmt: skip
