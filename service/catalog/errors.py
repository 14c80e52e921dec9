"""What a caller can do about a base model or a price that is not to be had."""

from service.kit.errors import Conflict, Invalid


class UnknownBaseModel(Invalid):
    """There is no base model {model!r} at {provider}; {advice}."""

    code = "base_model_unknown"


class UnknownProvider(Invalid):
    """There is no provider {provider!r}; those there are: {known}."""

    code = "provider_unknown"


class NotTrainable(Invalid):
    """{model} cannot be fine-tuned at {provider}; {advice}."""

    code = "model_not_trainable"


class ModelRetired(NotTrainable):
    """{model} was retired on {day}; {advice}."""

    code = "model_retired"


class TrainingClosed(NotTrainable):
    """{model} has been closed to training since {day}; {advice}."""

    code = "training_closed"


class MethodUnsupported(NotTrainable):
    """{model} cannot be trained with {method}, only with {methods}; {advice}."""

    code = "method_unsupported"


class PriceUnknown(Conflict):
    """The price book has no price for the {meter} of {model} at {provider} on {day}, and nothing is spent unpriced."""

    code = "price_unknown"
