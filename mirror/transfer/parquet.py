"""Parquet, by way of DuckDB, an optional extra: pip install duckdb."""

from pathlib import Path

from mirror.transfer.tables import Columns

# Of the memory that DuckDB may take; what is more goes to disk.
_MEMORY_LIMIT = "100MB"


def convert(path: Path, columns: Columns) -> None:
    """Put a Parquet file in the place of an NDJSON file of a table."""
    import duckdb  # noqa: PLC0415 - optional

    target = path.with_name(path.name + ".parquet")
    types = {name: "VARCHAR" if kind == "JSON" else kind for name, kind in columns.items()}
    with duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "threads": 1, "preserve_insertion_order": True}) as db:
        rows = db.read_json(str(path), format="newline_delimited", columns=types)
        rows.write_parquet(str(target), compression="zstd")
    target.replace(path)
