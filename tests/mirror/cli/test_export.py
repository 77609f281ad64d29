"""`export` and `import`: whole files or none, and a mirror that is the same on the other side."""

import asyncio
import base64
import csv
import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from mirror.storage import forgetting, keys
from mirror.storage.embedded import embedded_redis
from mirror.storage.store import Store
from mirror.transfer.exporting import everything
from mirror.transfer.importing import write
from mirror.transfer.lines import encode
from tests.commands import mirror as command
from tests.mirror.mirrored import DAY, accept, drain, mirror
from tests.support import make_body, make_deletion, make_review
from worker.deciding import Policy
from worker.drain import Drainer

GOOD = make_review(1, rating=5, content='Très "bien", ❤️\n=1+1')
BUSINESS = GOOD["business_id"]


@pytest.fixture
async def filled(store: Store) -> Store:
    """A mirror with a bit of everything."""
    await mirror(store, GOOD, make_review(2, rating=2, partner="facebook"), make_review(3), ago=20 * DAY)
    await mirror(store, make_review(3, rating=1, update_date="2025-09-20T00:00:00Z"), ago=10 * DAY)
    await mirror(store, make_deletion(GOOD), ago=9 * DAY)
    await mirror(store, make_review(4), ago=9 * DAY)
    await forgetting.demand(store, [4])
    await Drainer(store, Policy()).run()
    await accept(store, 2, b"not json")
    await drain(store)
    await accept(store, 5, make_body(make_review(5)))
    return store


async def export(redis_url: str, out: Path, *arguments: str, status: int = 0) -> Any:
    shown = await asyncio.to_thread(command, redis_url, "export", *arguments, "--out", str(out), "--json")
    assert shown.returncode == status, shown.stderr
    return json.loads(shown.stdout) if status == 0 else shown.stderr


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.usefixtures("filled")
async def test_reviews_come_with_typed_columns_and_their_whole_payload(redis_url: str, tmp_path: Path) -> None:
    told = await export(redis_url, tmp_path / "r.ndjson", "reviews")
    rows = lines(tmp_path / "r.ndjson")
    assert [row["id"] for row in rows] == [1, 2, 3]
    assert (rows[0]["status"], rows[0]["rating"], rows[0]["payload"]["content"]) == ("missing", 5, GOOD["content"])
    manifest = json.loads((tmp_path / "r.ndjson.manifest.json").read_text())
    assert (manifest["rows"], manifest["complete"], told["rows"]) == (3, True, 3)
    assert manifest["feed_cursor"]
    assert not (tmp_path / "r.ndjson.part").exists()


@pytest.mark.usefixtures("filled")
async def test_csv_is_read_back_by_whoever_reads_csv(redis_url: str, tmp_path: Path) -> None:
    await export(redis_url, tmp_path / "r.csv", "reviews", "--format", "csv")
    with (tmp_path / "r.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["content"] == GOOD["content"]
    assert json.loads(rows[0]["payload"])["rating"] == 5


@pytest.mark.usefixtures("filled")
async def test_changes_tell_the_histories(redis_url: str, tmp_path: Path) -> None:
    await export(redis_url, tmp_path / "c.ndjson", "changes")
    rows = lines(tmp_path / "c.ndjson")
    assert [(row["review_id"], row["kind"]) for row in rows] == [
        *((1, "first_seen"), (1, "vanished"), (2, "first_seen"), (3, "first_seen"), (3, "updated"))
    ]
    assert rows[4]["fields"]["rating"] == [3, 1]
    since = await export(redis_url, tmp_path / "s.ndjson", "changes", "--since", "2100-01-01")
    assert since["rows"] == 0
    assert (tmp_path / "s.ndjson").read_bytes() == b""


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("what", ["reviews", "changes", "ratings"])
async def test_parquet_has_the_types_that_a_database_expects(redis_url: str, tmp_path: Path, what: str) -> None:
    out = tmp_path / "t.parquet"
    told = await export(redis_url, out, what, "--format", "parquet")
    with duckdb.connect() as db:
        table = db.read_parquet(str(out))
        assert len(table) == told["rows"]
        types = {name: str(kind) for name, kind in zip(table.columns, table.types, strict=True)}
    if what == "reviews":
        assert (types["id"], types["rating"]) == ("BIGINT", "DOUBLE")
        assert types["first_seen_at"] == "TIMESTAMP WITH TIME ZONE"


@pytest.mark.usefixtures("filled")
async def test_ratings_have_a_row_for_each_day_business_and_partner(redis_url: str, tmp_path: Path) -> None:
    await export(redis_url, tmp_path / "q.ndjson", "ratings", "--business-id", BUSINESS)
    rows = [row for row in lines(tmp_path / "q.ndjson") if row["partner"] == "google_my_business"]
    assert len(rows) == 20
    assert (rows[-1]["shown_average"], rows[-1]["adjusted_average"]) == (1.0, 3.0)


async def copy(redis_url: str, folder: Path) -> tuple[bytes, bytes]:
    """Export everything, import it into another Redis, export that as well."""
    await export(redis_url, folder / "all.ndjson", "all")
    with embedded_redis(str(folder / "other")) as other:
        shown = await asyncio.to_thread(command, other, "import", str(folder / "all.ndjson"), "--json")
        assert shown.returncode == 0, shown.stderr
        await export(other, folder / "again.ndjson", "all")
        again = await asyncio.to_thread(command, other, "import", str(folder / "all.ndjson"))
        assert (again.returncode, "empty Redis" in again.stderr) == (1, True)
    return (folder / "all.ndjson").read_bytes(), (folder / "again.ndjson").read_bytes()


@pytest.mark.process
@pytest.mark.usefixtures("filled")
async def test_what_goes_out_and_in_again_is_the_same_mirror_byte_for_byte(redis_url: str, tmp_path: Path) -> None:
    before, after = await copy(redis_url, tmp_path)
    assert before == after
    end = json.loads(before.splitlines()[-1])["end"]
    assert (end["reviews"], end["tombstones"], end["waiting"], end["dead_letters"]) == (3, 1, 1, 1)
    assert end["complete"]


@pytest.mark.process
@pytest.mark.usefixtures("filled")
async def test_a_whole_export_is_plain_json(redis_url: str, tmp_path: Path) -> None:
    before, _ = await copy(redis_url, tmp_path)
    told = [json.loads(line) for line in before.splitlines()]
    (one,) = [line for line in told if line.get("review") == 1]
    assert one["record"]["last_live"] == GOOD
    (waiting,) = [line for line in told if "waiting" in line]
    assert base64.b64decode(waiting["inbox"][0]).endswith(b"\n" + make_body(make_review(5)))


async def as_stored(store: Store) -> list[bytes]:
    changes = await store.redis.execute_command("LRANGE", keys.changes(1), 0, -1)
    return [await store.redis.get(keys.record(1)) or b"", *changes]


async def test_what_was_imported_is_compressed_again(store: Store) -> None:
    await mirror(store, GOOD)
    stored = await as_stored(store)
    pieces = [encode(line) async for line in everything(store)]
    await store.redis.flushall()
    async for _ in write(store, pieces):
        pass
    assert await as_stored(store) == stored


@pytest.mark.process
@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda data: data[: len(data) // 2], "Input data was truncated"),
        (lambda data: data.rpartition(b'{"end"')[0], "the file ends before the export does"),
        (lambda data: b"\n".join(data.splitlines()[:1] + data.splitlines()[2:]) + b"\n", "as many lines as it says"),
        (lambda data: data + data, "comes after the end"),
        (lambda data: b"{}\n" + data, "line 1 is not the header"),
        (lambda data: data.replace(b'"format":1', b'"format":9'), "this release reads 1"),
        (lambda _data: b"hello\n", "line 1 is not a line of an export"),
    ],
)
@pytest.mark.usefixtures("filled")
async def test_a_file_that_is_not_whole_changes_nothing(
    redis_url: str, tmp_path: Path, spoil: Any, problem: str
) -> None:
    await export(redis_url, tmp_path / "all.ndjson", "all")
    (tmp_path / "bad").write_bytes(spoil((tmp_path / "all.ndjson").read_bytes()))
    with embedded_redis(str(tmp_path / "other")) as other:
        shown = await asyncio.to_thread(command, other, "import", str(tmp_path / "bad"))
        assert shown.returncode == 1
        assert problem in shown.stderr
        shown = await asyncio.to_thread(command, other, "status", "--json")
        assert json.loads(shown.stdout)["reviews"] == 0 or not any(json.loads(shown.stdout)["by_certainty"].values())


@pytest.mark.usefixtures("filled")
@pytest.mark.parametrize("format_", ["ndjson", "csv"])
async def test_an_interrupted_export_is_gone_on_with_and_equals_a_whole_one(
    redis_url: str, tmp_path: Path, format_: str
) -> None:
    out = tmp_path / "c"
    await export(redis_url, tmp_path / "whole", "changes", "--format", format_)
    whole = (tmp_path / "whole").read_bytes()
    manifest = json.loads((tmp_path / "whole.manifest.json").read_text()) | {"rows": 0, "complete": False}
    (tmp_path / "c.part.json").write_text(json.dumps(manifest))
    (tmp_path / "c.part").write_bytes(whole[: len(whole) * 2 // 3])
    assert "--resume goes on" in await export(redis_url, out, "changes", "--format", format_, status=2)
    told = await export(redis_url, out, "changes", "--format", format_, "--resume")
    assert out.read_bytes() == whole
    assert told["rows"] == 5
    assert "no interrupted export" in await export(redis_url, tmp_path / "x", "changes", "--resume", status=2)


@pytest.mark.parametrize(
    "arguments",
    [("all", "--format", "csv"), ("all", "--since", "2025-01-01"), ("ratings", "--resume")],
)
async def test_what_cannot_be_asked_for_is_misuse(redis_url: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert await export(redis_url, tmp_path / "f", *arguments, status=2)


async def test_a_folder_that_cannot_be_written_to_is_named(redis_url: str, tmp_path: Path) -> None:
    assert "cannot be written" in await export(redis_url, tmp_path / "none" / "f", "reviews", status=1)
