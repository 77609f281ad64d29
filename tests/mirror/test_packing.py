"""Values packed into one argument arrive in a Lua script as they were, on a real Redis."""

from mirror.storage.packing import pack
from mirror.storage.store import Store

VALUES: list[str | bytes] = [
    "",
    "a",
    "34",
    "é" * 40,
    "b" * 255,
    "c" * 70_000,
    b"",
    b"\xff\x00\x80",
    b"\xc3" * 300,
    b"d" * 70_000,
]


async def test_texts_and_any_bytes_arrive_as_they_were(store: Store) -> None:
    arrived = await store.redis.execute_command("EVAL", "return cmsgpack.unpack(ARGV[1])", 0, pack(VALUES))
    assert arrived == [value if isinstance(value, bytes) else value.encode() for value in VALUES]
