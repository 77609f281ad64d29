"""`python -m tools.simulator`: the process around the command line."""

import os
import sys

from tools.simulator.cli import main


def _run() -> int:
    # A scenario may tell its story in any script; a terminal that lacks a letter must not end the sending.
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        sys.stderr.write("\nstopped: what has not been sent yet stays unsent\n")
        return 130
    except BrokenPipeError:
        # The reader has left (`… | head`). The interpreter flushes once more at exit: give it somewhere to write.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


if __name__ == "__main__":
    sys.exit(_run())
