"""What limits a figure that misses its bar, found by profiling; the page tells it beside the true figure."""

JOB = (
    "The example's smoke suite runs a job in a process of its own: a fresh Python that imports SQLAlchemy, the figure "
    "*the smoke suite's job, run by hand*. It is part of the gate and may read the token that an earlier check "
    "captured from the candidate, so it cannot begin before the candidate answers: start and job add up, and the "
    "figure *deploy ÷ (start by hand + job by hand)* shows what Lading itself adds: above all the start of the command "
    "line, hashing every file of the release before it may run, and commits to disk before and after each step."
)

HOLD = (
    "Within the hold a fresh Python with Alembic and SQLAlchemy starts, about half a second on a free core, beside "
    "what grows with the database: SQLite's own write of the change and the flush to disk. The load generator, the "
    "router and the program that is held run on the same two cores, so where others work on the machine too, the "
    "longest of twenty shows who had to wait for a core; the median is the figure to compare."
)

PEERS = (
    "The quickest is compose, which stops the release that serves before it starts the next: no second copy beside "
    "the first, no check before requests come, and the requests lost that the table tells. Of the tools that keep "
    "serving, Lading is the quickest."
)

LIMITS: dict[str, str] = {
    "hold of an Alembic migration that adds a column, longest": HOLD,
    "deploy ÷ start by hand": JOB,
    "Lading's deploy ÷ the quickest other tool's": PEERS,
    "deploy minus start by hand": JOB,
}
