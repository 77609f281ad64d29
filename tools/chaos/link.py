"""The link: a TCP proxy between the stack's processes and Redis that cuts, swallows and delays what passes."""

import asyncio
from contextlib import closing, suppress

CHUNK = 65_536
UP, DOWN = "up", "down"


class Link:
    """`delay`: seconds that whatever passes takes longer; `mute`: it never arrives."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._connections: set[_Connection] = set()
        self.delay = 0.0
        self.mute = False

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        self._server.close()
        self.cut()

    def cut(self) -> None:
        """Break all connections, whatever is on its way."""
        for connection in tuple(self._connections):
            connection.abort()

    def cut_half_way(self, direction: str) -> None:
        """Let each connection pass only half of what comes next in this direction, and break it."""
        for connection in self._connections:
            connection.cut_next = direction

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        connection = _Connection(self, (reader, writer), upstream)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            connection.abort()


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Connection:
    def __init__(self, link: Link, client: _Streams, server: _Streams) -> None:
        self._link = link
        self._client = client
        self._server = server
        self.cut_next = ""

    async def run(self) -> None:
        await asyncio.gather(
            self._pass(self._client[0], self._server[1], UP), self._pass(self._server[0], self._client[1], DOWN)
        )

    def abort(self) -> None:
        for _, writer in (self._client, self._server):
            writer.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, direction: str) -> None:
        """Pass on what comes until its sender is gone. What that sent before still arrives, as on a real network."""
        with closing(writer), suppress(OSError):
            while data := await reader.read(CHUNK):
                if self._link.delay:
                    await asyncio.sleep(self._link.delay)
                if self._link.mute:
                    continue
                if self.cut_next == direction:
                    writer.write(data[: len(data) // 2])
                    await writer.drain()
                    return
                writer.write(data)
                await writer.drain()
