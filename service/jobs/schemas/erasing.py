"""Where a dataset has gone, for somebody who must answer for its erasure."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class MappedDataset(BaseModel):
    """The dataset itself, or one made of it."""

    id: str
    parent: str | None = Field(description="The dataset it is made of.")
    state: str
    sha256: str | None
    bytes: int | None
    created_at: datetime
    erase_requested_at: datetime | None
    erased_at: datetime | None = Field(description="When its bytes and all copies were gone.")


class MappedFile(BaseModel):
    """A copy at a provider's account."""

    dataset: str
    connection: str
    provider_file_id: str
    uploaded_at: datetime
    deleted_at: datetime | None = Field(
        description="When we let it go. The file itself stays while another dataset with the same bytes needs it."
    )


class MappedJob(BaseModel):
    """A job that trained on it, or was validated on it."""

    id: str
    used: dict[str, str] = Field(
        description="Dataset → what for: `training` or `validation`.", examples=[{"dset_01m7…": "training"}]
    )
    state: str
    connection: str
    provider_job_id: str | None
    fine_tuned_model: str | None = Field(description="The provider's id of what came out.")
    submitted_at: datetime | None
    finished_at: datetime | None


class MappedModel(BaseModel):
    """A version in the registry that came out of one of the jobs."""

    version: str = Field(description="Its id.", examples=["mver_01m7w74m4ve4esgepz92mvfgnz"])
    name: str
    number: int
    model: str = Field(description="The provider's id.")
    job: str
    state: str


class EraseMap(BaseModel):
    """Everything that was made of a dataset, and where it is or was."""

    object: Literal["dataset.erase_map"] = "dataset.erase_map"
    dataset: str
    datasets: list[MappedDataset] = Field(description="This one and all that were made of it, oldest first.")
    provider_files: list[MappedFile]
    jobs: list[MappedJob]
    models: list[MappedModel]
