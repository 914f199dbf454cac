-- Runs of jobs, and how far each schedule was carried out.

CREATE TABLE runs (
    id          INTEGER PRIMARY KEY,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    job         TEXT NOT NULL,
    slot        REAL,
    ending      TEXT,
    value       TEXT NOT NULL
);

CREATE INDEX runs_of_environment ON runs (project, environment, id);

-- A moment of a schedule has one run, whoever is killed when.
CREATE UNIQUE INDEX one_run_a_slot ON runs (project, environment, job, slot) WHERE slot IS NOT NULL;

CREATE TABLE schedules (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    job         TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (project, environment, job)
);
