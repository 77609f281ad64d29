"""`python -m service`: the web process. `--share-port` is for the processes that it starts itself."""

import sys

from mirror.bootstrap import run
from mirror.settings import Settings
from service.processes import serve_with_children
from service.server import serve


async def main(settings: Settings, redis_url: str) -> int:
    share_port = "--share-port" in sys.argv[1:]
    if settings.web_concurrency > 1:
        return await serve_with_children(settings, redis_url)
    return await serve(settings, redis_url, share_port=share_port)


if __name__ == "__main__":
    sys.exit(run(main))
