#!/bin/sh
# As many entry points do: it brings the database up to date, starts the server, and never looks at what it is told.
set -e
alembic upgrade head
exec uvicorn forecast.main:app --no-access-log
