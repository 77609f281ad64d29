"""`python -m service`: the web process. `--share-port` is for the processes that it starts itself."""

import argparse
import sys

from mirror.bootstrap import run
from mirror.settings import Settings
from service.processes import serve_with_children
from service.server import serve


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m service",
        description="The web process: receives webhooks, answers the read API. Everything is configured by environment "
        "variables; .env.example lists them.",
    )
    parser.add_argument("--share-port", action="store_true", help=argparse.SUPPRESS)
    share_port: bool = parser.parse_args().share_port

    async def serving(settings: Settings, redis_url: str) -> int:
        if settings.web_concurrency > 1 and not share_port:
            return await serve_with_children(settings, redis_url)
        return await serve(settings, redis_url, share_port=share_port)

    return run(serving)


if __name__ == "__main__":
    sys.exit(main())
