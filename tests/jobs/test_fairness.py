"""Whose turn it is: whatever teams wait with whatever weights, everybody gets a share and nobody more than there is."""

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from service.jobs.fairness import Contender, Lane, Standing, Turn, expected_at, place, share_out

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACCOUNT, OTHER = UUID(int=1), UUID(int=2)
MANY = 1000

weights = st.sampled_from([0.25, 0.5, 1.0, 1.0, 2.0, 3.0, 7.5])


def team(number: int, *, weight: float = 1.0, held: int = 0, waiting: int = 20, mark: float | None = None) -> Contender:
    jobs = [UUID(int=number * 10_000 + job) for job in range(waiting)]
    return Contender(UUID(int=number), jobs, NOON - timedelta(seconds=number), held, weight, mark)


def lane(*contenders: Contender, free: int | None, model: str = "m", mark: float = 0.0, entering: int = 0) -> Lane:
    return Lane(ACCOUNT, model, free, entering, list(contenders), mark)


def shared(*lanes: Lane, entrance: int = MANY, **rooms: int) -> list[Turn]:
    return share_out(lanes, entrances={ACCOUNT: entrance}, rooms={UUID(int=int(t[1:])): n for t, n in rooms.items()})


def teams_of(turns: Sequence[Turn]) -> list[int]:
    return [turn.team.int for turn in turns]


def test_another_teams_first_job_has_the_next_slot_however_many_a_noisy_one_has_waiting_or_weighs() -> None:
    noisy = team(1, weight=1000, held=2, waiting=MANY)
    assert teams_of(shared(lane(noisy, team(2, weight=0.001, waiting=1), free=2))) == [2, 1]


def test_two_teams_take_turns() -> None:
    assert teams_of(shared(lane(team(1), team(2), free=6))) == [2, 1, 2, 1, 2, 1]


def test_inside_a_team_the_order_given_is_kept() -> None:
    turns = shared(lane(team(1, waiting=5), free=5))
    assert [turn.job.int % 10_000 for turn in turns] == [0, 1, 2, 3, 4]


@settings(max_examples=60)
@given(st.lists(weights, min_size=1, max_size=6), st.integers(1, 60))
def test_slots_that_are_filled_at_once_are_shared_by_weight_within_one(shares: list[float], slots: int) -> None:
    given_to = Counter(
        teams_of(shared(lane(*(team(n, weight=w, waiting=60) for n, w in enumerate(shares)), free=slots)))
    )
    for one, weight in enumerate(shares):
        for other, others in enumerate(shares):
            assert (given_to[one] - 1) / weight <= given_to[other] / others, (given_to, "one is a slot ahead at most")


class Work:
    """A lane with always the same number of slots, in which jobs end one after the other in the order they began."""

    def __init__(self, shares: Sequence[float], slots: int) -> None:
        self.shares, self.slots, self.mark = shares, slots, 0.0
        self.running: list[int] = []
        self.marks: dict[int, float] = {}

    def turn(self, waiting: Sequence[int]) -> list[int]:
        """One job ends, and what is free is given away."""
        self.running = self.running[1:] if len(self.running) == self.slots else self.running
        held = Counter(self.running)
        contenders = [team(n, weight=self.shares[n], held=held[n], mark=self.marks.get(n)) for n in waiting]
        turns = shared(lane(*contenders, free=self.slots - len(self.running), mark=self.mark))
        for turn in turns:
            self.mark = self.marks[turn.team.int] = turn.mark
        self.running += teams_of(turns)
        assert len(self.running) <= self.slots
        return teams_of(turns)


@settings(max_examples=60)
@given(st.lists(weights, min_size=2, max_size=5))
def test_one_slot_goes_round_by_weight_within_one_turn(shares: list[float]) -> None:
    work, turns = Work(shares, slots=1), Counter[int]()
    for _ in range(60):
        turns.update(work.turn(range(len(shares))))
        for one, weight in enumerate(shares):
            for other, others in enumerate(shares):
                assert (turns[one] - 1) / weight <= turns[other] / others + 1e-9


@settings(max_examples=60)
@given(
    st.lists(weights, min_size=2, max_size=6), st.integers(1, 8),
    st.lists(st.integers(0, 5), min_size=0, max_size=200), st.data(),
)  # fmt: skip
def test_nobody_starves_whoever_comes_and_goes(
    shares: list[float], slots: int, before: list[int], data: st.DataObject
) -> None:
    """Any past, in which teams wait or do not; then all wait, and one of them is served within a round of weights."""
    work = Work(shares, slots)
    for waiting in before:
        work.turn([waiting % len(shares)])
    mine = data.draw(st.integers(0, len(shares) - 1))
    bound = slots + len(shares) + sum(1 + weight / shares[mine] for weight in shares)
    served = next(n for n in range(MANY) if mine in work.turn(range(len(shares))))
    assert served <= bound


@settings(max_examples=60)
@given(
    st.lists(st.tuples(weights, st.integers(0, 4), st.integers(0, 12)), min_size=1, max_size=6),
    st.integers(0, 20), st.integers(0, 20), st.integers(0, 20),
    st.dictionaries(st.integers(0, 5), st.integers(-1, 5)),
)  # fmt: skip
def test_no_limit_is_ever_exceeded_and_nothing_free_is_left_unused(
    teams: list[tuple[float, int, int]], free: int, free_elsewhere: int, entrance: int, rooms: dict[int, int]
) -> None:
    def contenders() -> list[Contender]:
        return [team(n, weight=w, held=held, waiting=waiting) for n, (w, held, waiting) in enumerate(teams)]

    lanes = [lane(*contenders(), free=free), lane(*contenders(), free=free_elsewhere, model="other")]
    turns = shared(*lanes, entrance=entrance, **{f"t{number}": room for number, room in rooms.items()})
    given_to, by_lane = Counter(teams_of(turns)), Counter(turn.base_model for turn in turns)
    assert by_lane["m"] <= free
    assert by_lane["other"] <= free_elsewhere
    assert len(turns) <= entrance
    for number, room in rooms.items():
        assert given_to[number] <= max(room, 0)
    if len(turns) < entrance:
        for one in lanes:
            left = [c for c in one.contenders if c.waiting and given_to[c.team.int] < rooms.get(c.team.int, MANY)]
            assert one.free == 0 or not left


def test_lanes_of_one_account_share_the_way_in_so_that_none_is_shut_out() -> None:
    crowded = lane(team(1, waiting=MANY), free=None, entering=30)
    assert [turn.base_model for turn in shared(crowded, lane(team(2), free=None, model="quiet"), entrance=2)] == [
        "quiet", "quiet",
    ]  # fmt: skip


def test_a_team_at_its_limit_is_passed_over() -> None:
    assert teams_of(shared(lane(team(1, waiting=3), team(2, waiting=3), free=4), t2=1)) == [2, 1, 1, 1]


def test_accounts_are_apart() -> None:
    lanes = [lane(team(1), free=1), Lane(OTHER, "m", 1, 0, [team(1)])]
    turns = share_out(lanes, entrances={ACCOUNT: 0, OTHER: 5}, rooms={})
    assert [turn.connection for turn in turns] == [OTHER]


@settings(max_examples=60)
@given(
    st.lists(st.tuples(weights, st.integers(0, 6), st.integers(1, 30)), min_size=1, max_size=5),
    st.integers(0, 29),
)
def test_the_place_told_is_the_turn_that_comes(teams: list[tuple[float, int, int]], ahead: int) -> None:
    """Up to ties: each team that stands exactly as well as mine may come first or not."""
    ahead = min(ahead, teams[0][2] - 1)
    contenders = [team(n, weight=w, held=held, waiting=waiting) for n, (w, held, waiting) in enumerate(teams)]
    mine = contenders[0].waiting[ahead]
    turns = shared(lane(*contenders, free=MANY))
    comes = next(number for number, turn in enumerate(turns, start=1) if turn.job == mine)
    first, *others = [Standing(waiting, held, weight) for weight, held, waiting in teams]
    told = place(first, ahead=ahead, others=others)
    assert told <= comes <= told + len(others)


def test_when_a_turn_is_expected_follows_from_places_slots_and_the_time_one_takes() -> None:
    hour = timedelta(hours=1)
    assert expected_at(6, slots=3, mean=hour, now=NOON) == NOON + 2 * hour
    assert expected_at(6, slots=None, mean=hour, now=NOON) is None
    assert expected_at(6, slots=0, mean=hour, now=NOON) is None
    assert expected_at(6, slots=3, mean=None, now=NOON) is None
