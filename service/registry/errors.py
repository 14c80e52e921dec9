"""What can go wrong with models, versions and aliases."""

from service.kit.errors import Conflict, Invalid, NotFound


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
