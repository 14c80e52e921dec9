"""What `GET /v1/base-models` and `GET /v1/prices` promise."""

from dataclasses import fields
from datetime import date, datetime
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from service.catalog.errors import NotTrainable
from service.catalog.hyperparameters import Range
from service.catalog.rules import STANDARD, BaseModelFacts, PriceFacts
from service.kit import ids, money
from service.kit.bodies import Body, Instant

_MONEY: Final = r"^[0-9]{1,10}(\.[0-9]{1,10})?$"


class PriceView(BaseModel):
    """A price: so much for every `unit_quantity` of a meter, from an instant on until the next price of that meter."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "object": "price",
                    "id": "price_01kagdwa5ye0h8m9c6j7t5a3xq",
                    "provider": "openai",
                    "model": "gpt-4.1-mini-2025-04-14",
                    "meter": "training_tokens",
                    "tier": "standard",
                    "amount": "5.00",
                    "list_amount": None,
                    "currency": "USD",
                    "unit_quantity": 1000000,
                    "effective_from": "2025-10-01T00:00:00Z",
                }
            ]
        }
    )
    object: Literal["price"] = "price"
    id: str = Field(description="Never changes its meaning: jobs and ledger entries name it.")
    provider: str = Field(examples=["openai"])
    model: str = Field(description="The base model's id, never an alias.")
    meter: str = Field(description="What is counted: `training_tokens`, `training_hours`, `input_tokens`, …")
    tier: str = Field(description="`standard`, or whatever else the provider tells prices of one meter apart by.")
    amount: money.Amount = Field(description="What we pay for `unit_quantity`.")
    list_amount: money.Amount | None = Field(description="What the provider's public list says, where it differs.")
    currency: str = Field(description="ISO 4217.")
    unit_quantity: int = Field(description="How many tokens or hours `amount` is for.")
    effective_from: datetime

    @classmethod
    def of(cls, price: PriceFacts) -> Self:
        """The row as users see it."""
        return cls(**_shown(price))


class PriceRowView(PriceView):
    """A row of the price book: a price, when the next one ends it, and who entered it."""

    model_config = ConfigDict(json_schema_extra={"examples": []})
    effective_until: datetime | None = Field(description="When the next row of the meter begins; null: none is known.")
    created_by: str = Field(description="`seed`: the platform's own data file.")
    created_at: datetime

    @classmethod
    def of_row(cls, price: PriceFacts, *, until: datetime | None, created_by: str, created_at: datetime) -> Self:
        """The row as users see it."""
        return cls(**_shown(price), effective_until=until, created_by=created_by, created_at=created_at)


def _shown(price: PriceFacts) -> dict[str, Any]:
    told = {field.name: getattr(price, field.name) for field in fields(PriceFacts)}
    return told | {"id": ids.show("price", price.id), "unit_quantity": int(price.unit_quantity)}


class PriceCreate(Body):
    """A price from an instant on. The next one of the same meter ends it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "provider": "openai",
                    "model": "gpt-4.1-mini-2025-04-14",
                    "meter": "training_tokens",
                    "amount": "4.50",
                    "list_amount": "5.00",
                    "effective_from": "2027-01-01T00:00:00Z",
                }
            ]
        }
    )
    provider: str = Field(max_length=32, examples=["openai"])
    model: str = Field(max_length=100, description="The base model's id, never an alias.")
    meter: str = Field(max_length=32, description="What is counted: `training_tokens`, `training_hours`, …")
    amount: str = Field(pattern=_MONEY, description="What we pay for `unit_quantity`: a decimal string.")
    effective_from: Instant = Field(description="From when on. In the past only where nothing was in force then.")
    tier: str = Field(STANDARD, pattern=r"^[a-z][a-z0-9_-]{0,31}$")
    list_amount: str | None = Field(None, pattern=_MONEY, description="The provider's public price, where it differs.")
    unit_quantity: int | None = Field(
        None, ge=1, le=10**9, description="For how many tokens or hours `amount` is; absent: as usual for the meter."
    )
    currency: str = Field(money.CURRENCY, max_length=3, description="ISO 4217; the platform's.")


class PriceImport(BaseModel):
    """What came of a price list, or with `dry_run` would."""

    object: Literal["price_import"] = "price_import"
    dry_run: bool
    added: int = Field(description="Rows that are new.")
    unchanged: int = Field(description="Rows that were in the book already, just so.")


class RangeView(BaseModel):
    """The values a hyperparameter may take."""

    type: Literal["integer", "number", "choice"]
    auto: bool = Field(description="Whether it may be `auto`, which leaves it to the provider.")
    values: list[str] | None = Field(None, description="The words to choose from.")
    min: float | None = Field(None, description="The least.")
    above: float | None = Field(None, description="A bound that is not allowed itself.")
    max: float | None = Field(None, description="The most.")

    @classmethod
    def of(cls, one: Range) -> Self:
        """The range as users see it."""
        bounds = {name: getattr(one, name) for name in ("min", "above", "max")}
        numbers = {name: None if bound is None else float(bound) for name, bound in bounds.items()}
        kind: Literal["integer", "number", "choice"] = "integer" if one.integer else "number"
        return cls(type="choice" if one.values else kind, auto=one.auto, values=list(one.values) or None, **numbers)


class BaseModelView(BaseModel):
    """A model of a provider that can be fine-tuned, or once could, or is asked for although it cannot."""

    object: Literal["base_model"] = "base_model"
    provider: str = Field(examples=["openai"])
    id: str = Field(examples=["gpt-4.1-mini-2025-04-14"])
    aliases: list[str] = Field(description="Undated names a job may use; it is created on `id`.")
    methods: list[str] = Field(description="Ways to train it: `supervised`, `dpo`, `reinforcement`. Empty: none.")
    format: str = Field(description="Shape of its training data: `chat` or `prompt_completion`.")
    vision: bool = Field(description="Whether training data may hold images.")
    encoding: str = Field(description="Its tokenizer.", examples=["o200k_base"])
    example_tokens_max: int = Field(description="The provider cuts longer examples to this many tokens.")
    trainable_until: date | None = Field(description="First day (UTC) on which no job can be created.")
    shutdown_date: date | None = Field(description="First day (UTC) on which it and all its fine-tunes are off.")
    replacement: str | None = Field(description="What to take instead.")
    trainable: bool = Field(description="Whether a job can be created on it now.")
    why_not: str | None = Field(description="The reason, if not.")
    hyperparameters: dict[str, dict[str, RangeView]] = Field(
        description="Method → hyperparameter → the values it may take."
    )
    prices: list[PriceView] = Field(description="The prices in force now.")

    @classmethod
    def of(cls, model: BaseModelFacts, refusal: NotTrainable | None, prices: list[PriceFacts]) -> Self:
        """The snapshot as users see it."""
        return cls(
            provider=model.provider,
            id=model.id,
            aliases=list(model.aliases),
            methods=list(model.methods),
            format=model.format,
            vision=model.vision,
            encoding=model.encoding,
            example_tokens_max=model.example_tokens_max,
            trainable_until=model.trainable_until,
            shutdown_date=model.shutdown_date,
            replacement=model.replacement,
            trainable=refusal is None,
            why_not=refusal.message if refusal else None,
            hyperparameters={
                method: {name: RangeView.of(one) for name, one in named.items()}
                for method, named in model.ranges.items()
            },
            prices=[PriceView.of(price) for price in prices],
        )
