"""`import`: an export of everything, written into an empty mirror."""

import argparse
import sys
from pathlib import Path

from mirror.bootstrap import EXIT_FAILED
from mirror.cli.arguments import misused
from mirror.cli.output import counted, write, write_json
from mirror.cli.progress import Progress
from mirror.domain.record import CorruptError
from mirror.settings import Settings
from mirror.storage.store import Store
from mirror.transfer import importing
from mirror.transfer.files import lines_of
from mirror.transfer.importing import NotEmptyError
from mirror.transfer.lines import ExportError

NAME = "import"
HELP = "write what `export all` has written into an empty mirror"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="written by: python -m mirror export all --out FILE")


async def run(store: Store, _settings: Settings, options: argparse.Namespace) -> int:
    try:
        total = importing.check_complete(lines_of(options.file))
        await importing.check_empty(store)
        bar = Progress("importing", counts=True)
        async for written in importing.write(store, lines_of(options.file)):
            bar.show(written, total.reviews)
        bar.clear()
    except OSError as error:
        if isinstance(error, ConnectionError | TimeoutError):
            raise
        return misused(f"{options.file} cannot be read: {error.strerror or error}")
    except (ExportError, CorruptError) as error:
        sys.stderr.write(f"reviewmirror: {options.file}: {error}\n")
        return EXIT_FAILED
    except NotEmptyError:
        sys.stderr.write("reviewmirror: this mirror holds reviews already: import into an empty Redis\n")
        return EXIT_FAILED
    if options.json:
        write_json({"reviews": total.reviews, "changes": total.changes, "dead_letters": total.dead_letters})
    else:
        changes = counted(total.changes, "change")
        write(
            f"{counted(total.reviews, 'review')} with {changes} imported. The feed begins anew: followers list first."
        )
    return 0
