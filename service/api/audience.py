"""Which jobs people look at, so that workers look at those sooner: told to the rows, each at most now and then."""

from typing import Final
from uuid import UUID

from service.kit import clock
from service.kit.settings import settings

_SHARE: Final = 3  # said three times in the while that saying it lasts, so that one said in vain loses nothing


class Audience:
    """Jobs that were looked at and of which the workers have not been told lately. Lives in the event loop."""

    def __init__(self) -> None:
        self._told_until: dict[UUID, float] = {}  # by job, on the monotonic clock
        self._untold: dict[UUID, set[UUID]] = {}  # by team

    def sees(self, team: UUID, job: UUID) -> bool:
        """Somebody of the team looks at the job. Whether that has to be told."""
        if self._told_until.get(job, 0.0) > clock.monotonic():
            return False
        self._untold.setdefault(team, set()).add(job)
        return True

    def take_untold(self) -> dict[UUID, set[UUID]]:
        """By team, the jobs to tell of now; they need not be told again for a while."""
        now = clock.monotonic()
        untold, self._untold = self._untold, {}
        if untold:
            until = now + settings().watched_seconds / _SHARE
            self._told_until = {job: end for job, end in self._told_until.items() if end > now}
            self._told_until |= {job: until for jobs in untold.values() for job in jobs}
        return untold
