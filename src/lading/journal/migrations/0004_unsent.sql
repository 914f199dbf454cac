-- Runs whose files are still to be sent to an object store: looked for all the time, and few.
ALTER TABLE runs ADD COLUMN unsent INTEGER NOT NULL DEFAULT 0;

CREATE INDEX unsent_runs ON runs (id) WHERE unsent = 1;
