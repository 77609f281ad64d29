"""What stands in arq's queue is data: whoever can write to Redis cannot run code with it."""

import pickle

import msgspec
import pytest

from mirror.settings import Settings
from mirror.storage.connection import connect

called: list[str] = []


def explode(text: str) -> None:
    called.append(text)


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return explode, ("a pickle was run",)


async def test_a_pickle_in_the_queue_is_not_run(settings: Settings) -> None:
    client = connect(settings, "redis://127.0.0.1:1")
    assert client.job_deserializer is not None
    with pytest.raises(msgspec.DecodeError):
        client.job_deserializer(pickle.dumps(Bomb()))
    assert called == []
    pickle.loads(pickle.dumps(Bomb()))  # noqa: S301 - that is what it would have done
    assert called == ["a pickle was run"]
