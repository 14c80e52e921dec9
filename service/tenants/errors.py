"""What can go wrong with teams and keys."""

from service.kit.errors import Conflict, Invalid, NotFound, Unauthenticated, Unavailable


class InvalidKey(Unauthenticated):
    """The API key is missing, malformed or unknown. Send it as `Authorization: Bearer tp_…`."""

    code = "invalid_api_key"


class KeyExpired(Unauthenticated):
    """This API key expired at {expired_at}. Ask for a new one."""

    code = "api_key_expired"


class KeyRevoked(Unauthenticated):
    """This API key was revoked at {revoked_at}. Ask for a new one."""

    code = "api_key_revoked"


class PepperMissing(Unavailable):
    """API keys can neither be made nor checked: TUNEPLANE_KEY_PEPPER is not set. An operator must set it."""

    code = "key_pepper_missing"


class TeamNotFound(NotFound):
    """There is no team {team!r}."""

    code = "team_not_found"


class KeyNotFound(NotFound):
    """There is no API key {key!r}."""

    code = "key_not_found"


class SlugTaken(Conflict):
    """There is a team {slug!r} already. Choose another slug."""

    code = "slug_taken"


class UnknownTimeZone(Invalid):
    """{time_zone!r} is no IANA time zone, for example `Europe/Berlin`."""

    code = "unknown_time_zone"


class ExpiryInThePast(Invalid):
    """A key that expires at {expires_at} would never work. Give an instant in the future."""

    code = "expiry_in_the_past"


class RoleMismatch(Invalid):
    """The role {role!r} is not for {owner}: operator and finance keys belong to the platform, all others to a team."""

    code = "role_mismatch"
