#!/bin/sh
# postgres.sh postgres …: runs PostgreSQL on the data in PGDATA, and makes them first if they are not there, as the image
# `postgres` of Docker's library does: for POSTGRES_USER, with the database POSTGRES_DB. By its socket, for who reaches it.
set -eu
if [ ! -e "$PGDATA/made-whole" ]; then
  find "$PGDATA" -mindepth 1 -delete # what somebody did not finish
  initdb --pgdata="$PGDATA" --username="$POSTGRES_USER" --auth-local=trust --auth-host=reject --encoding=UTF8 --locale=C.UTF-8
  echo "CREATE DATABASE $POSTGRES_DB;" | postgres --single -D "$PGDATA" postgres
  touch "$PGDATA/made-whole"
fi
exec "$@"
