"""The bytes of a dataset, for those of its team who may see them."""

import hashlib

from sqlalchemy import text

from service.kit.db import read_only
from service.kit.identity import CLI
from tests.stack import Team, conversations


def test_the_bytes_are_given_whole_or_in_ranges_to_who_may_see_them(team: Team) -> None:
    content = conversations()
    kind = {"Content-Type": "application/jsonl"}
    dataset = team.member.post("/v1/datasets?filename=t%C3%A4g.jsonl", content=content, headers=kind).json()["id"]
    path = f"/v1/datasets/{dataset}/content"
    whole = team.member.get(path)
    assert (whole.status_code, whole.content) == (200, content)
    assert whole.headers["content-disposition"] == "attachment; filename*=UTF-8''t%C3%A4g.jsonl"
    assert whole.headers["etag"] == f'"{hashlib.sha256(content).hexdigest()}"'
    size = len(content)
    for asked, (start, stop) in {
        "bytes=0-99": (0, 100), "bytes=100-": (100, size), "bytes=-7": (size - 7, size), "bytes=5-5": (5, 6),
        f"bytes=5-{size * 9}": (5, size),
    }.items():  # fmt: skip
        part = team.admin.get(path, headers={"Range": asked})
        assert (part.status_code, part.content) == (206, content[start:stop]), asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
    for asked in ("bytes=9-3", "bytes=-", "lines=1-2", "bytes=0-1,5-6"):
        assert team.admin.get(path, headers={"Range": asked}).status_code == 200
    beyond = team.admin.get(path, headers={"Range": f"bytes={size}-"})
    assert (beyond.status_code, beyond.json()["code"]) == (416, "range_not_satisfiable")
    assert team.viewer.get(path).json()["code"] == "scope_missing"
    with read_only(CLI) as session:
        reads = text("SELECT count(*) FROM audit_entries WHERE object_id = :id AND action = 'dataset.read'")
        assert session.scalar(reads, {"id": dataset}) == 1 + 5 + 4 + 1
