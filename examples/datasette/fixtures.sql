CREATE TABLE ports (
    id      INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE,
    country TEXT NOT NULL
);

CREATE TABLE ships (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    home INTEGER NOT NULL REFERENCES ports (id),
    tons INTEGER NOT NULL
);

CREATE VIEW fleet AS
SELECT ships.name AS ship, ports.name AS port, ships.tons AS tons FROM ships JOIN ports ON ports.id = ships.home;

INSERT INTO ports (id, name, country) VALUES
    (1, 'Hamburg', 'Germany'),
    (2, 'Porto', 'Portugal'),
    (3, 'Gdańsk', 'Poland');

INSERT INTO ships (id, name, home, tons) VALUES
    (1, 'Anna', 1, 1200),
    (2, 'Benedita', 2, 800),
    (3, 'Czesława', 3, 2100),
    (4, 'Dorothea', 1, 450);
