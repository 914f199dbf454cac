-- Values are JSON of the model; a column of its own only for what is searched, ordered or constrained.

CREATE TABLE releases (
    id      INTEGER PRIMARY KEY,
    project TEXT NOT NULL,
    version TEXT NOT NULL,
    digest  TEXT NOT NULL,
    value   TEXT NOT NULL,
    UNIQUE (project, version)
);

CREATE TABLE environments (
    project TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,
    PRIMARY KEY (project, name)
);

CREATE TABLE rollouts (
    id          INTEGER PRIMARY KEY,
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    outcome     TEXT,
    last_seq    INTEGER NOT NULL DEFAULT 0,
    value       TEXT NOT NULL
);

CREATE INDEX rollouts_of_environment ON rollouts (project, environment, id);

-- The lock of an environment is this index: it dies with no holder, because it has none.
CREATE UNIQUE INDEX one_unfinished_rollout ON rollouts (project, environment) WHERE outcome IS NULL;

-- Plans are large and never change: beside the rollout, so that changing the rollout does not rewrite them.
CREATE TABLE plans (
    rollout INTEGER PRIMARY KEY REFERENCES rollouts (id),
    value   TEXT NOT NULL
);

CREATE TABLE marks (
    id      INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    value   TEXT NOT NULL
);

CREATE INDEX marks_of_rollout ON marks (rollout, id);

CREATE TABLE events (
    id      INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    seq     INTEGER NOT NULL,
    value   TEXT NOT NULL,
    UNIQUE (rollout, seq)
);

CREATE TABLE statements (
    id       INTEGER PRIMARY KEY,
    digest   TEXT NOT NULL,
    envelope TEXT NOT NULL,
    value    TEXT NOT NULL,
    UNIQUE (digest, envelope)
);

CREATE TABLE trusted_keys (
    fingerprint TEXT PRIMARY KEY,
    value       TEXT NOT NULL
);

CREATE TABLE policies (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (project, environment)
);

CREATE TABLE audits (
    id    INTEGER PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE nonces (
    nonce   TEXT PRIMARY KEY,
    expires REAL NOT NULL
);
