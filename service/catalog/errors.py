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
    """No {tier} price for the {meter} of {model} at {provider} on {day}: nothing is spent before it is in the book."""

    code = "price_unknown"


class UnknownMeter(Invalid):
    """Nothing is charged by {meter!r}; meters are {known}."""

    code = "meter_unknown"


class OtherCurrency(Invalid):
    """The books are kept in {known}, so a price cannot be in {currency!r}."""

    code = "currency_unsupported"


class PriceTaken(Conflict):
    """From {effective_from} on it is {amount} for {unit_quantity} already. No row is altered: add one from later on."""

    code = "price_taken"


class PriceInThePast(Conflict):
    """A price from {effective_from} on would alter what was in force since then. Give an instant that is to come."""

    code = "price_in_the_past"


class BadPriceList(Invalid):
    """Nothing was imported; problems: {count}. The first: line {line}, {field}: {detail}."""

    code = "price_list_invalid"
