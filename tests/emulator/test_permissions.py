"""Sharing a checkpoint with other projects, by an admin's key alone."""

import secrets

import openai
import pytest

from tests.emulator.world import Emulator, Project

QUESTION = "What colour is planet Hoth?"


def admin_of(world: Emulator) -> Project:
    """Somebody with an admin key."""
    key = f"sk-admin-{secrets.token_hex(8)}"
    world.tell("/keys", key=key, project="proj_owner")
    return Project(world, "proj_owner", key)


def test_a_shared_checkpoint_answers_until_taken_back(
    world: Emulator, project: Project, other_project: Project
) -> None:
    model, admin = project.train().fine_tuned_model, admin_of(world)
    permissions = admin.openai.fine_tuning.checkpoints.permissions
    made = permissions.create(model, project_ids=[other_project.name, "proj_third"]).data
    assert [one.project_id for one in made] == [other_project.name, "proj_third"]
    assert other_project.ask(model, QUESTION) == project.ask(model, QUESTION)
    assert model in {one.id for one in other_project.openai.models.list()}
    assert [one.id for one in permissions.list(model, limit=1)] == [one.id for one in reversed(made)]
    assert [one.id for one in permissions.list(model, order="ascending")] == [one.id for one in made]
    assert [one.id for one in permissions.list(model, project_id="proj_third")] == [made[1].id]
    with pytest.raises(openai.NotFoundError):
        other_project.openai.models.delete(model)
    assert permissions.delete(made[0].id, fine_tuned_model_checkpoint=model).deleted
    with pytest.raises(openai.NotFoundError):
        other_project.ask(model, QUESTION)
    admin.close()


def test_no_other_key_may_share_and_an_admin_key_may_nothing_else(world: Emulator, project: Project) -> None:
    model, admin = project.train().fine_tuned_model, admin_of(world)
    with pytest.raises(openai.PermissionDeniedError):
        project.openai.fine_tuning.checkpoints.permissions.list(model).data  # noqa: B018 - the page is asked for at once
    for refused in (admin.openai.files.list, admin.openai.models.list, admin.openai.fine_tuning.jobs.list):
        with pytest.raises(openai.PermissionDeniedError):
            refused()
    with pytest.raises(openai.NotFoundError):
        admin.openai.fine_tuning.checkpoints.permissions.create("ft:nobody", project_ids=["proj_third"])
    with pytest.raises(openai.BadRequestError):
        admin.openai.fine_tuning.checkpoints.permissions.create(model, project_ids=[])
    admin.close()
