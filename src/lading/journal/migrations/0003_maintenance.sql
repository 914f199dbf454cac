CREATE TABLE maintenance (
    project     TEXT NOT NULL,
    environment TEXT NOT NULL,
    value       TEXT NOT NULL,
    PRIMARY KEY (project, environment)
);
