"""The report on a dataset as it is shown: what reading the file found, and what training on it costs on a given day."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from service import catalog, connections, costs, tenants
from service.datasets import queries
from service.datasets.errors import TokensNotCounted
from service.datasets.models import Dataset
from service.datasets.queries import DatasetFacts
from service.datasets.rules import formats, leakage
from service.datasets.rules.leakage import Leak
from service.datasets.rules.report import Billing
from service.datasets.rules.states import State
from service.datasets.schemas.report import Counting, LeakageView, ReportView, SharedLines, TrainingPrice
from service.kit import ids, money

_SHARED_SHOWN: Final = 50


def report(
    session: Session,
    team_id: UUID,
    dataset_id: UUID,
    at: datetime,
    *,
    counting: Counting = Counting.TEMPLATE,
    models: Sequence[str] = (),
    validation_id: UUID | None = None,
) -> ReportView:
    """What reading the file found, with what training on it costs at that instant, by either way of `counting`.

    For `models` beyond those that can be trained now the price is rough. With `validation_id`: which examples it shares
    with that dataset. Raises DatasetUnknown, UnknownBaseModel, and DatasetNotValidated while there is no report.
    """
    row = queries.reported(session, team_id, dataset_id)
    found = queries.facts_of(row)
    is_ready = found.state == State.READY
    return ReportView(
        dataset=ids.show("dset", row.id),
        state=found.state,
        format=row.format or "",
        examples=row.examples,
        errors=row.errors or 0,
        warnings=row.warnings or 0,
        default_epochs=found.default_epochs if is_ready else None,
        counting=counting,
        prices=_Prices(session, found, counting, at).of(models) if is_ready else [],
        leakage=_leakage(session, row, validation_id) if validation_id else None,
        **row.report or {},
    )


def leak(session: Session, team_id: UUID, one: UUID, other: UUID) -> Leak | None:
    """What two of the team's datasets have in common; None where that is not known, or not yet."""
    sketches = [queries.find(session, team_id, dataset).sketch for dataset in (one, other)]
    return None if None in sketches else leakage.shared(*sketches)


def _leakage(session: Session, row: Dataset, validation_id: UUID) -> LeakageView:
    other = queries.reported(session, row.team_id, validation_id)
    shown = LeakageView(validation=ids.show("dset", validation_id), examples=None, exact=False, lines=[])
    if row.sketch is None or other.sketch is None:
        shown.unavailable = "One of the two was not compared: it has no example that can be read, or is of long ago."
        return shown
    found = leakage.shared(row.sketch, other.sketch)
    shown.examples, shown.exact = found.examples, found.is_exact
    shown.lines = [SharedLines(line=here, validation_line=there) for here, there in found.lines[:_SHARED_SHOWN]]
    return shown


class _Prices:
    """What training on a dataset costs one team at one instant."""

    def __init__(self, session: Session, dataset: DatasetFacts, counting: Counting, at: datetime) -> None:
        self._session, self._dataset, self._counting, self._at = session, dataset, counting, at
        self._method = formats.METHODS.get(dataset.format or "")

    def of(self, asked: Iterable[str]) -> list[TrainingPrice]:
        """Of every base model that learns from this format now, then of others that are asked for."""
        try:
            models = queries.trainable_models(self._session, self._dataset.team_id, self._at)
            connection = connections.of_team(self._session, tenants.team(self._session, self._dataset.team_id))
        except connections.NoConnection:
            return []
        told = {model.id: self._exact(model) for model in models if self._method in model.methods}
        for name in asked:
            model = self._model(connection.provider, name)
            told.setdefault(model.id, self._rough(model))
        return list(told.values())

    def _model(self, provider: str, name: str) -> catalog.BaseModelFacts:
        try:
            return catalog.base_model(self._session, provider, name)
        except catalog.UnknownBaseModel as unknown:
            unknown.pointer = "model"  # it stands in the query
            raise

    def _exact(self, model: catalog.BaseModelFacts) -> TrainingPrice:
        try:
            counted = self._dataset.billing_under(model.encoding, model.example_tokens_max)
        except TokensNotCounted as unknown:
            return self._unavailable(model, unknown.message)
        return self._priced(model, counted)

    def _rough(self, model: catalog.BaseModelFacts) -> TrainingPrice:
        """With every reason why a job would not cost this."""
        reasons = []
        try:
            counted = self._dataset.billing_under(model.encoding, model.example_tokens_max)
        except TokensNotCounted:
            counted = _closest(self._dataset.billing, model)
            reasons.append(_difference(counted, model))
        try:
            catalog.trainable(self._session, model.provider, model.id, self._at, self._method)
        except catalog.NotTrainable as refused:
            reasons.append(refused.message)
        told = self._priced(model, counted)
        told.rough, told.rough_because = bool(reasons), " ".join(reasons) or None
        return told

    def _priced(self, model: catalog.BaseModelFacts, counted: Billing) -> TrainingPrice:
        told = self._unavailable(model, None)
        by_notebook = counted.by_notebook if self._counting is Counting.NOTEBOOK else None
        if self._counting is Counting.NOTEBOOK and by_notebook is None:
            told.unavailable = "OpenAI's notebook counts chats only."
            return told
        by_template = counted.billed_tokens, counted.truncated_examples, counted.lost_tokens
        told.tokens_per_epoch, told.truncated_examples, told.lost_tokens = by_notebook or by_template
        told.tokens = told.tokens_per_epoch * told.epochs
        try:
            price = catalog.price(self._session, model.provider, model.id, "training_tokens", self._at)
        except catalog.PriceUnknown as unknown:
            told.unavailable = unknown.message
            return told
        told.price, told.currency = costs.quote(price, told.tokens), price.currency
        told.price_id = ids.show("price", price.id)
        return told

    def _unavailable(self, model: catalog.BaseModelFacts, reason: str | None) -> TrainingPrice:
        return TrainingPrice(
            model=model.id, encoding=model.encoding, example_tokens_max=model.example_tokens_max,
            epochs=self._dataset.default_epochs, truncated_examples=None, lost_tokens=None, tokens_per_epoch=None,
            tokens=None, price=None, currency=money.CURRENCY, price_id=None, unavailable=reason,
        )  # fmt: skip


def _closest(billing: Sequence[Billing], model: catalog.BaseModelFacts) -> Billing:
    """What was counted most like what this model would count."""
    return min(billing, key=lambda one: (one.encoding != model.encoding, abs(one.limit - model.example_tokens_max)))


def _difference(counted: Billing, model: catalog.BaseModelFacts) -> str:
    if counted.encoding != model.encoding:
        return f"The tokens were counted in {counted.encoding}, not in its own {model.encoding}."
    return f"Examples were cut to {counted.limit:,} tokens, not to its own {model.example_tokens_max:,}."
