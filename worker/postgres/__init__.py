"""The Postgres sink: one worker keeps tables of the mirror for analysts. Needs psycopg, an extra."""
