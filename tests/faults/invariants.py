"""The invariants, each as the SQL that finds what breaks it. From reference/reliability.md §5.3; I11 is tests/tenancy.

Temporary tables beside the service's own: `run` (what is known of the run), `arrows` (docs/states.md; `[*]` is before
the first state and after the last), `ends` (the last states), `remote_jobs` (the emulator's own record), `history`
(what clients did, saw and were told), `shown` (jobs by the ids that users see).
"""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Invariant:
    """What must hold, and a query that tells in words where it does not."""

    name: str
    promise: str
    violations: str


I1: Final = Invariant(
    "I1",
    "every job has ended, waits for a person, or somebody will come back to it",
    """
    SELECT format('job %s is %s', id, state) FROM jobs
    WHERE (SELECT ended FROM run) AND attention IS NULL AND NOT state IN (TABLE ends)
    UNION ALL
    SELECT format('nobody comes back to job %s (%s)', id, state) FROM jobs
    WHERE attention IS NULL AND NOT state IN (TABLE ends) AND due_at IS NULL
      AND NOT (state = 'queued' AND slot_at IS NULL)
    UNION ALL
    SELECT format('job %s is %s and still worked on', id, state) FROM jobs
    WHERE (SELECT ended FROM run) AND state IN (TABLE ends) AND (due_at IS NOT NULL OR lease_until IS NOT NULL)
    """,
)

I2: Final = Invariant(
    "I2",
    "never two jobs at the provider for one of ours, and each is the one the row names",
    """
    SELECT format('%s jobs were made for %s', count(*), key) FROM remote_jobs
    WHERE key IS NOT NULL AND NOT (status = 'cancelled' AND (SELECT beyond_quiet FROM run))
    GROUP BY key HAVING count(*) > 1
    UNION ALL
    SELECT format('the second job %s was cancelled and nobody was told', r.id)
    FROM remote_jobs r JOIN jobs j ON j.submit_key = r.key
    WHERE r.id IS DISTINCT FROM j.provider_job_id AND (SELECT beyond_quiet FROM run) AND r.status = 'cancelled'
      AND NOT EXISTS (SELECT FROM stray_jobs s WHERE s.provider_job_id = r.id AND s.kind = 'duplicate')
    UNION ALL
    SELECT format('job %s names %s, but %s is there', j.id, coalesce(j.provider_job_id, 'none'), r.id)
    FROM remote_jobs r JOIN jobs j ON j.submit_key = r.key
    WHERE r.status <> 'cancelled' AND r.id IS DISTINCT FROM j.provider_job_id
    UNION ALL
    SELECT format('job %s names %s, which is not there', j.id, j.provider_job_id)
    FROM jobs j LEFT JOIN remote_jobs r ON r.id = j.provider_job_id AND r.key = j.submit_key
    WHERE j.provider_job_id IS NOT NULL AND r.id IS NULL
    UNION ALL
    SELECT format('%s is nobody''s', r.id) FROM remote_jobs r LEFT JOIN jobs j ON j.submit_key = r.key
    WHERE r.key IS NOT NULL AND j.id IS NULL
    """,
)

I3: Final = Invariant(
    "I3",
    "a budget holds what its reservations hold, in money and tokens, has spent what the ledger says, is not overdrawn",
    """
    WITH held AS (
      SELECT team_id, month, bool_or(overrun) AS overrun, sum(settled_tokens) AS tokens_settled,
             coalesce(sum(amount) FILTER (WHERE state = 'held'), 0) AS held,
             coalesce(sum(tokens) FILTER (WHERE state = 'held'), 0) AS tokens_held
      FROM reservations GROUP BY team_id, month
    ), booked AS (
      SELECT team_id, budget_month AS month, sum(amount) AS booked FROM ledger_entries
      GROUP BY team_id, budget_month
    ), sums AS (
      SELECT b.*, coalesce(h.held, 0) AS held, coalesce(l.booked, 0) AS booked, coalesce(h.overrun, false) AS overrun,
             coalesce(h.tokens_held, 0) AS tokens_held, coalesce(h.tokens_settled, 0) AS tokens_settled
      FROM budget_months b LEFT JOIN held h USING (team_id, month) LEFT JOIN booked l USING (team_id, month)
    )
    SELECT format('team %s holds %s, its reservations %s', team_id, reserved, held) FROM sums WHERE reserved <> held
    UNION ALL
    SELECT format('team %s has spent %s, its ledger says %s', team_id, spent, booked) FROM sums WHERE spent <> booked
    UNION ALL
    SELECT format('team %s holds %s tokens and has spent %s, its reservations %s and %s',
                  team_id, tokens_reserved, tokens_spent, tokens_held, tokens_settled)
    FROM sums WHERE tokens_reserved <> tokens_held OR tokens_spent <> tokens_settled
    UNION ALL
    SELECT format('team %s: %s held and %s spent of %s', team_id, reserved, spent, limit_amount)
    FROM sums WHERE reserved + spent > limit_amount - carried_out AND NOT overrun
    """,
)

I4: Final = Invariant(
    "I4",
    "money is held exactly while a job is under way",
    """
    SELECT format('job %s is %s, its money %s', j.id, j.state, coalesce(r.state, 'nowhere'))
    FROM jobs j LEFT JOIN reservations r ON r.team_id = j.team_id AND r.job_id = j.id
    WHERE (coalesce(r.state, '') = 'held') = (j.state IN (TABLE ends) OR j.state = 'waiting_for_dataset')
    UNION ALL
    SELECT format('money of job %s is %s, and there is no such job', r.job_id, r.state)
    FROM reservations r LEFT JOIN jobs j ON j.team_id = r.team_id AND j.id = r.job_id WHERE j.id IS NULL
    """,
)

I5: Final = Invariant(
    "I5",
    "a bill is booked once, at its price, and never rewritten",
    """
    SELECT format('%s is booked %s times', ext_ref, count(*)) FROM ledger_entries GROUP BY ext_ref HAVING count(*) > 1
    UNION ALL
    SELECT format('%s: %s is not %s at %s for %s', ext_ref, amount, quantity, unit_price, unit_quantity)
    FROM ledger_entries
    WHERE kind <> 'adjustment' AND abs(amount - unit_price * quantity / unit_quantity) > 0.0000000001
    UNION ALL
    SELECT 'the ledger could be rewritten' WHERE 2 > (
      SELECT count(*) FROM pg_trigger
      WHERE tgrelid = 'ledger_entries'::regclass AND NOT tgisinternal AND tgenabled IN ('O', 'A')
        AND tgfoid = 'refuse_rewriting'::regproc
    )
    """,
)

# Completed by a query for each foreign key between tables with a team, which the catalog names.
I6: Final = Invariant(
    "I6",
    "nothing belongs to another team's thing",
    """
    SELECT format('money of team %s is for a job of team %s', r.team_id, j.team_id)
    FROM reservations r JOIN jobs j ON j.id = r.job_id WHERE r.team_id <> j.team_id
    """,
)

I7: Final = Invariant(
    "I7",
    "a job's history has no gap and follows the arrows, and no client ever saw anything else",
    """
    WITH numbered AS (
      SELECT job_id, seq, row_number() OVER (PARTITION BY job_id ORDER BY seq) AS n FROM job_events
    ), entered AS (
      SELECT job_id, seq, data->>'state' AS state,
        lag(data->>'state', 1, '[*]') OVER (PARTITION BY job_id ORDER BY seq) AS before,
        row_number() OVER (PARTITION BY job_id ORDER BY seq DESC) = 1 AS is_last
      FROM job_events WHERE source = 'tuneplane' AND type = 'state'
    ), seen AS (
      SELECT process, job, state, lag(state) OVER (PARTITION BY process, job ORDER BY n) AS before
      FROM history WHERE op = 'read' AND phase = 'ok'
    ), streamed AS (
      SELECT process, job, seq, row_number() OVER (PARTITION BY process, job ORDER BY n) AS n
      FROM history WHERE op = 'event'
    )
    SELECT format('job %s: event %s is number %s', job_id, n, seq) FROM numbered WHERE n <> seq
    UNION ALL
    SELECT format('job %s counts %s events', j.id, j.events_count) FROM jobs j
    WHERE j.events_count <> (SELECT count(*) FROM job_events e WHERE e.job_id = j.id)
    UNION ALL
    SELECT format('job %s went from %s to %s', job_id, before, state) FROM entered
    WHERE NOT EXISTS (SELECT FROM arrows a WHERE a.state = before AND a.following = entered.state)
    UNION ALL
    SELECT format('job %s is %s, its history ends %s', j.id, j.state, e.state)
    FROM entered e JOIN jobs j ON j.id = e.job_id WHERE e.is_last AND e.state <> j.state
    UNION ALL
    SELECT format('%s saw job %s %s and then %s', process, job, before, state) FROM seen
    WHERE before <> state AND before IN (TABLE ends)
    UNION ALL
    SELECT format('%s was sent event %s of job %s as number %s', process, seq, job, n) FROM streamed WHERE n <> seq
    """,
)

I8: Final = Invariant(
    "I8",
    "each state a job entered is told in the outbox, once",
    """
    WITH entered AS (
      SELECT job_id AS job, 'job.' || (data->>'state') AS type, count(*) AS times FROM job_events
      WHERE source = 'tuneplane' AND type = 'state' GROUP BY 1, 2
    ), told AS (
      SELECT s.job, e.type, count(*) AS times FROM events e JOIN shown s ON s.id = e.data->>'id'
      WHERE e.type IN (SELECT 'job.' || state FROM arrows) GROUP BY 1, 2
    )
    SELECT format('%s of job %s happened %s times and was told %s times', type, job, coalesce(e.times, 0),
      coalesce(t.times, 0))
    FROM entered e FULL JOIN told t USING (job, type) WHERE e.times IS DISTINCT FROM t.times
    """,
)

# A query for each table of work, which the catalog names.
I9: Final = Invariant("I9", "no lease lapsed long ago is left lying", "SELECT NULL WHERE false")

I10: Final = Invariant(
    "I10",
    "what a client was told is so: accepted is there once, refused is nowhere, unknown is one of the two",
    """
    WITH answered AS (
      SELECT k.team_id AS team, k.key, s.job FROM idempotency_keys k LEFT JOIN shown s ON s.id = k.answer->>'id'
      WHERE k.answer->>'id' LIKE 'job\\_%'
    ), asked AS (SELECT * FROM history WHERE op = 'submit')
    SELECT format('key %s names a job that is not there', key) FROM answered WHERE job IS NULL
    UNION ALL
    SELECT format('%s was told that job %s is there', a.process, a.job) FROM asked a
    LEFT JOIN jobs j ON j.id = a.job AND j.team_id = a.team WHERE a.phase = 'ok' AND j.id IS NULL
    UNION ALL
    SELECT format('key %s was told %s jobs', a.key, count(DISTINCT job)) FROM (
      SELECT team, key, job FROM asked WHERE phase = 'ok' UNION ALL
      SELECT team, key, job FROM answered WHERE (team, key) IN (SELECT team, key FROM asked)
    ) a GROUP BY a.team, a.key HAVING count(DISTINCT job) > 1
    UNION ALL
    SELECT format('key %s was refused, and yet there is job %s', key, job) FROM answered JOIN (
      SELECT team, key FROM asked GROUP BY team, key
      HAVING count(*) FILTER (WHERE phase = 'fail') = count(*) FILTER (WHERE phase = 'invoke')
    ) AS refused USING (team, key)
    UNION ALL
    SELECT format('nobody asked for job %s', j.id) FROM jobs j
    WHERE j.team_id IN (SELECT team FROM asked)
      AND NOT EXISTS (
        SELECT FROM answered n JOIN asked a ON a.team = n.team AND a.key = n.key WHERE n.job = j.id
      )
    """,
)

I12: Final = Invariant(
    "I12",
    "what the provider bills is what our ledger and the job say, to the last digit",
    """
    WITH bills AS (SELECT key, sum(cost) AS bill FROM remote_jobs GROUP BY key), entries AS (
      SELECT job_id, sum(amount) AS booked, bool_or(accrued) AS accrued FROM ledger_entries GROUP BY job_id
    ), sums AS (
      SELECT j.id, j.state, j.reserved, j.cost, j.attention, coalesce(b.bill, 0) AS bill,
        coalesce(e.booked, 0) AS booked, coalesce(e.accrued, false) AS accrued, state IN (TABLE ends) AS over
      FROM jobs j LEFT JOIN bills b ON b.key = j.submit_key LEFT JOIN entries e ON e.job_id = j.id
    )
    SELECT format('job %s: billed %s, booked %s', id, bill, booked) FROM sums
    WHERE over AND NOT accrued AND bill <> booked
    UNION ALL
    SELECT format('job %s says it cost %s, booked is %s', id, cost, booked) FROM sums
    WHERE over AND cost IS DISTINCT FROM booked AND NOT (SELECT beyond_quiet FROM run)
    UNION ALL
    SELECT format('job %s: booked %s before its end', id, booked) FROM sums WHERE NOT over AND booked <> 0
    UNION ALL
    SELECT format('job %s waits for a person: billed %s, held %s', id, bill, reserved) FROM sums
    WHERE attention IS NOT NULL AND bill > reserved
    UNION ALL
    SELECT format('the provider bills %s, the ledger says %s', bill, booked)
    FROM (SELECT sum(bill) AS bill, sum(booked) AS booked FROM sums WHERE over AND NOT accrued) AS whole
    WHERE bill <> booked
    """,
)

INVARIANTS: Final = (I1, I2, I3, I4, I5, I6, I7, I8, I9, I10, I12)

# Between tables with a team: which column of the child names which of the parent, the team itself left out.
FOREIGN_KEYS: Final = """
    SELECT c.conrelid::regclass::text, c.confrelid::regclass::text,
      array_agg(ARRAY[child.attname::text, parent.attname::text])
    FROM pg_constraint c, unnest(c.conkey, c.confkey) AS k(child, parent), pg_attribute child, pg_attribute parent
    WHERE c.contype = 'f' AND child.attrelid = c.conrelid AND child.attnum = k.child
      AND parent.attrelid = c.confrelid AND parent.attnum = k.parent
      AND child.atttypid = 'uuid'::regtype AND child.attname <> 'team_id' AND 2 = (
        SELECT count(*) FROM pg_attribute a WHERE a.attname = 'team_id' AND a.attrelid IN (c.conrelid, c.confrelid)
      )
    GROUP BY c.oid, c.conrelid, c.confrelid
"""

WORK_TABLES: Final = """
    SELECT table_name::text FROM information_schema.columns
    WHERE table_schema = 'public' AND column_name IN ('lease_until', 'due_at', 'attention')
    GROUP BY table_name HAVING count(*) = 3
"""

LEASES: Final = """
    SELECT format('%s in %s: its lease ended %s ago and nobody took it', id, {name}, clock_timestamp() - lease_until)
    FROM {table} WHERE due_at IS NOT NULL AND attention IS NULL
      AND lease_until < clock_timestamp() - 2 * (SELECT lease FROM run)
"""
