"""The mirror's tables in Postgres: their schema, their rows, and how these are written. Needs psycopg, an extra."""
