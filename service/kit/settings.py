"""Every setting of the service, read once from `TUNEPLANE_*` variables or from files in the secrets folder.

Durations end in `_seconds`, sizes in `_bytes`. A secret can be given as a file named like its variable in lower case
(`/run/secrets/tuneplane_key_pepper`), which is how docker-compose hands it over.
"""

import os
from functools import lru_cache
from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What differs between machines.

    Everything has a default that suits one small machine, except addresses and secrets.
    """

    model_config = SettingsConfigDict(env_prefix="TUNEPLANE_", extra="ignore", frozen=True)

    environment: str = Field(
        "dev", pattern=r"^[a-z0-9]{1,12}$", description="Names keys (`tp_<environment>_…`) and submissions."
    )
    log_level: str = "INFO"
    metrics_port: int = Field(0, ge=0, le=65535, description="Prometheus may ask here, without a key; 0: it may not.")
    heartbeat_file: Path | None = Field(None, description="Touched while a worker's or dispatcher's loop turns.")

    # Addresses. The login of `database_url` owns nothing and sees nothing by itself; the other is for migrations only.
    database_url: SecretStr = SecretStr("postgresql+psycopg://tp_app@/tuneplane")
    admin_database_url: SecretStr | None = None
    broker_url: SecretStr = SecretStr("redis://localhost:6379/0")
    storage_url: str = Field("file:///var/lib/tuneplane", description="`file:///folder`, later `s3://bucket/prefix`.")

    # Secrets. The pepper keys the HMAC of API keys; the master key wraps provider credentials (32 bytes, base64).
    key_pepper: SecretStr = SecretStr("")
    master_key: SecretStr = SecretStr("")

    # Database. One thread per pooled connection, so that nobody waits for a connection while holding a thread.
    pool_size: int = Field(20, ge=1, le=200)
    unit_seconds: float = Field(3.0, gt=0, description="A unit of work of a request is cut off after this long.")
    auth_seconds: float = Field(2.0, gt=0, description="A key lookup is cut off after this long.")
    worker_unit_seconds: float = Field(30.0, gt=0, description="A unit of work of a worker is cut off after this long.")

    # Work engine.
    lease_seconds: float = Field(60.0, gt=0)
    dispatch_seconds: float = Field(0.25, gt=0, description="Pause of the dispatcher between two looks for due rows.")
    rehint_seconds: float = Field(5.0, gt=0, description="A row not taken this long after its hint is hinted again.")
    rescue_after_seconds: float = Field(
        15.0, ge=0, description="The broker away this long: the dispatcher runs steps itself."
    )
    attempts_max: int = Field(
        25, ge=1, description="Claims without progress before a row asks for a person's attention."
    )
    backoff_cap_seconds: float = Field(300.0, gt=0)

    # Circuits around the provider (service/kit/circuit.py).
    circuit_failures: int = Field(5, ge=1, description="So many failures in a row, and an account is left alone.")
    circuit_seconds: float = Field(15.0, gt=0, description="The first pause; it doubles up to `backoff_cap_seconds`.")

    # Approval (docs/limits.md).
    approval_seconds: float = Field(259_200.0, gt=0, description="A job nobody has decided about so long is cancelled.")

    # Budget requests (docs/money.md).
    budget_request_seconds: float = Field(604_800.0, gt=0, description="One nobody has decided about so long expires.")

    # Submission (docs/protocol.md). The quiet period covers a late create at the provider and the lag of its list.
    provider_timeout_seconds: float = Field(60.0, gt=0)
    quiet_seconds: float = Field(180.0, gt=0)
    search_interval_seconds: float = Field(10.0, gt=0)
    lock_busy_seconds: float = Field(
        5.0, gt=0, description="Somebody else works on the same job or file: come back then."
    )
    janitor_seconds: float = Field(600.0, gt=0, description="Between two looks for jobs that slipped through.")
    provider_file_days: float = Field(
        14.0, gt=0, description="A file no job has used this long is removed at the provider."
    )
    erase_copies_seconds: float = Field(
        15.0, gt=0, description="Between two looks for copies at the provider whose dataset was deleted."
    )
    provider_file_trust_seconds: float = Field(
        300.0, ge=0, description="A file last used longer ago is looked for before a job is created on it."
    )
    entering_max: int = Field(32, ge=1, description="Jobs with a slot that an account's provider has not got yet.")
    slots_probe_seconds: float = Field(600.0, gt=0, description="One more than an account refused is tried after this.")
    follow_seconds: float = Field(15.0, gt=0, description="Pause between two looks at a running job.")
    probe_seconds: float = Field(5.0, gt=0, description="First pause between two probes of a new model; it doubles.")
    reprobe_seconds: float = Field(
        21_600.0, gt=0, description="Between two probes of a model that answers, for one token each."
    )
    follow_threads: int = Field(16, ge=1, le=64)

    # Reports.
    fold_costs_seconds: float = Field(60.0, gt=0, description="Between two additions to the sums that reports read.")
    report_unit_seconds: float = Field(20.0, gt=0, description="A report that takes longer is cut off.")

    # Usage and costs as providers tell them (docs/reconciliation.md). Days are UTC.
    usage_seconds: float = Field(3600.0, gt=0, description="Between two looks at what tuned models were used for.")
    usage_days_again: int = Field(3, ge=1, le=31, description="Days asked for again: providers tell of some late.")
    costs_seconds: float = Field(21_600.0, gt=0, description="Between two looks at what providers bill.")
    costs_days_again: int = Field(7, ge=1, le=90, description="Days whose bill is asked for again.")
    costs_days_late: int = Field(62, ge=1, le=366, description="A day that does not match is looked at again so long.")
    costs_settle_days: int = Field(
        2, ge=0, le=31, description="So long after a day's end a provider may still bill it: a difference is `timing`."
    )
    usage_days_at_first: int = Field(31, ge=1, le=366, description="Days asked for the first time.")

    # API.
    upload_bytes_max: int = Field(1024**3, gt=0)
    segment_bytes: int = Field(64 * 1024**2, gt=0, description="Larger files are checked in pieces of this size.")
    body_bytes_max: int = Field(1024**2, gt=0)
    body_idle_seconds: float = Field(15.0, gt=0)
    rates_seconds: float = Field(
        0.05, gt=0, description="Redis not answering this long, each process counts the requests it gets by itself."
    )
    drain_seconds: float = Field(
        0.0, ge=0, description="Time a load balancer needs to see /readyz fail before we stop."
    )
    resolve_poll_seconds: float = Field(10.0, gt=0, description="Longest time an alias moved elsewhere stays unseen.")
    resolve_max_age_seconds: int = Field(30, ge=0)
    resolve_load_seconds: float = Field(
        30.0, gt=0, description="Reading the whole registry is cut off after this long."
    )
    resolve_snapshot_file: Path | None = Field(
        None, description="What to resolve from when Postgres is away at the start; one for all API processes here."
    )
    resolve_snapshot_seconds: float = Field(60.0, gt=0, description="It is written at most this often.")
    resolve_snapshot_age_seconds_max: float = Field(86_400.0, gt=0, description="An older one is not answered from.")

    # Watching (docs/watching.md).
    streams_per_team_max: int = Field(50, ge=1, description="Open event streams of one team at one API process.")
    stream_lifetime_seconds: float = Field(300.0, gt=0, description="After it a stream ends; its client reconnects.")
    stream_ping_seconds: float = Field(15.0, gt=0, description="A stream that has nothing to say says so.")
    stream_stall_seconds: float = Field(15.0, gt=0, description="A client that takes nothing this long is let go.")
    watch_poll_seconds: float = Field(3.0, gt=0, description="Longest time a change stays unseen if its hint is lost.")
    watched_seconds: float = Field(90.0, gt=0, description="A job is followed closely so long after it was looked at.")


def forget_provider_environment() -> None:
    """Take OPENAI_* out of this process: the SDK reads them quietly, and no call may be made with a stray key."""
    for name in [name for name in os.environ if name.startswith("OPENAI_")]:
        del os.environ[name]


def _secrets_dir() -> Path | None:
    folder = Path(os.environ.get("TUNEPLANE_SECRETS_DIR", "/run/secrets"))
    return folder if folder.is_dir() else None


@lru_cache
def settings() -> Settings:
    """The settings of this process."""
    return Settings(_secrets_dir=_secrets_dir())
