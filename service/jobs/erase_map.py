"""The erase map: from a dataset to what was made of it, its copies at providers, the jobs and the models."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from service import datasets, registry
from service.jobs.models import Job, ProviderFile
from service.jobs.schemas.erasing import EraseMap, MappedDataset, MappedFile, MappedJob, MappedModel
from service.kit import ids


def erase_map(session: Session, team_id: UUID, dataset_id: UUID) -> EraseMap:
    """Of one of the team's datasets, whether it is still there or not. Raises DatasetUnknown."""
    family = datasets.family(session, team_id, dataset_id)
    members = {one.id for one in family}
    jobs = _jobs(session, team_id, members)
    return EraseMap(
        dataset=ids.show("dset", dataset_id),
        datasets=[
            MappedDataset(
                id=ids.show("dset", one.id),
                parent=ids.show("dset", one.parent_id) if one.parent_id else None,
                state=one.state,
                sha256=one.sha256,
                bytes=one.bytes,
                created_at=one.created_at,
                erase_requested_at=one.erase_requested_at,
                erased_at=one.erased_at,
            )
            for one in family
        ],
        provider_files=_files(session, team_id, members),
        jobs=[_mapped(job, members) for job in jobs],
        models=_models(session, team_id, [job.id for job in jobs]),
    )


def _files(session: Session, team_id: UUID, members: Collection[UUID]) -> list[MappedFile]:
    owned = (ProviderFile.team_id == team_id, ProviderFile.dataset_id.in_(members))
    found = session.scalars(select(ProviderFile).where(*owned).order_by(ProviderFile.created_at, ProviderFile.id))
    return [
        MappedFile(
            dataset=ids.show("dset", one.dataset_id),
            connection=ids.show("conn", one.connection_id),
            provider_file_id=one.provider_file_id,
            uploaded_at=one.created_at,
            deleted_at=one.removed_at,
        )
        for one in found
    ]


def _jobs(session: Session, team_id: UUID, members: Collection[UUID]) -> list[Job]:
    used = or_(Job.dataset_id.in_(members), Job.validation_dataset_id.in_(members))
    return list(session.scalars(select(Job).where(Job.team_id == team_id, used).order_by(Job.id)))


def _mapped(job: Job, members: Collection[UUID]) -> MappedJob:
    roles = ((job.validation_dataset_id, "validation"), (job.dataset_id, "training"))
    return MappedJob(
        id=ids.show("job", job.id),
        used={ids.show("dset", one): role for one, role in roles if one is not None and one in members},
        state=job.state,
        connection=ids.show("conn", job.connection_id),
        provider_job_id=job.provider_job_id,
        fine_tuned_model=job.fine_tuned_model,
        submitted_at=job.submitted_at,
        finished_at=job.finished_at,
    )


def _models(session: Session, team_id: UUID, job_ids: Collection[UUID]) -> list[MappedModel]:
    return [
        MappedModel(version=one.id, name=name, number=one.number, model=one.model, job=one.job, state=one.state)
        for name, one in registry.versions_of_jobs(session, team_id, job_ids)
    ]
