"""What can go wrong with models, versions and aliases."""

from service.kit.errors import Conflict, Forbidden, Invalid, NotFound


class BadName(Invalid):
    """{name!r} cannot be a name: use 1 to 63 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit."""

    code = "invalid_name"


class ModelNotFound(NotFound):
    """There is no model {name!r}."""

    code = "model_not_found"


class ModelRegistered(Conflict):
    """{model} is already version {version} of another model of yours: a tuned model has one name."""

    code = "model_already_registered"


class VersionNotFound(NotFound):
    """The model {name!r} has no version {version}."""

    code = "version_not_found"


class VersionNotReady(Conflict):
    """Version {version} of {name!r} is {state}: it can be promoted once the provider answers for it."""

    code = "version_not_ready"


class NothingServed(NotFound):
    """There is no model {name!r} with the alias {alias!r}."""

    code = "alias_not_found"


class BadShares(Invalid):
    """Shares must name each version once and come to {whole}, in hundredths of a percent."""

    code = "invalid_shares"


class AliasMoved(Conflict):
    """{alias!r} is at revision {revision}, not {expected}: somebody has moved it meanwhile. Look again, then decide."""

    code = "alias_moved"
    status = 412


class AliasProtected(Forbidden):
    """{alias!r} is moved by keys of the role {needed} only; this one is a {role}'s."""

    code = "alias_protected"


class ReasonRequired(Invalid):
    """{alias!r} is protected: say in `reason` why it is moved."""

    code = "reason_required"


class VerdictRequired(Conflict):
    """{alias!r} takes versions that passed their evaluation; version {version} has the verdict: {verdict}."""

    code = "verdict_required"


class NothingBefore(Conflict):
    """No other version has had all of the traffic of {alias!r} of {name!r}: name the `version` to go back to."""

    code = "nothing_to_roll_back_to"


class VersionServed(Conflict):
    """Version {version} of {name!r} is served by the alias {alias!r}: promote another there first."""

    code = "version_served"


class UnknownTeam(NotFound):
    """There is no team {team!r} to share a model with."""

    code = "shared_with_unknown_team"


class StartsInThePast(Invalid):
    """`starts_at` must lie ahead; to move an alias now, promote."""

    code = "starts_in_the_past"


class ScheduleNotFound(NotFound):
    """There is no scheduled move {schedule!r} of this alias."""

    code = "schedule_not_found"


class ScheduleEnded(Conflict):
    """The scheduled move {schedule} is {state} already."""

    code = "schedule_ended"
