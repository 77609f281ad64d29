"""`make audit`: looks for known holes in the locked releases, and for differences between what is locked and what runs.

The optional extras count too: requirements-extras.txt holds what runs with all of them.

    python -m tools.dev.audit [PIP-AUDIT]     the path of pip-audit; without it only what can be told offline

Exit status: 0 nothing found; 1 something found; 3 nothing found, but the database of known holes could not be asked
about every locked release. (`make` itself ends with 2 for both 1 and 3.)
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

from tools.dev import supply

FOUND, NOT_ASKED = 1, 3
_TIMEOUT_S = 120
_OPTIONS = ("--disable-pip", "--require-hashes", "--progress-spinner=off", "--format=json", "--timeout=15")


def main(arguments: Sequence[str]) -> int:
    found = supply.findings()
    _tell(found, "offline: pins, hashes, imports, installed releases and holes known since long are in order")
    answer = ask(arguments[0]) if arguments else "no pip-audit was given"
    if isinstance(answer, str):
        sys.stdout.write(
            f"?     database: {answer}; known holes were NOT looked for. Try again where it can be reached\n"
        )
        return FOUND if found else NOT_ASKED
    holes = [line for dependency in answer for line in _holes(dependency)]
    skipped = [dependency["name"] for dependency in answer if "skip_reason" in dependency]
    _tell(holes, f"database: no known hole in {len(answer) - len(skipped)} locked releases")
    if skipped:
        sys.stdout.write(f"?     database: it does not know {', '.join(skipped)}; these were NOT looked up\n")
    if found or holes:
        return FOUND
    return NOT_ASKED if skipped else 0


def ask(command: str) -> list[dict[str, Any]] | str:
    """Have pip-audit look up every release that may run; returns what it says of each, or why it cannot say."""
    call = [command, f"--requirement={supply.ROOT / supply.EXTRAS_LOCK}", *_OPTIONS]
    try:
        done = subprocess.run(call, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S)  # noqa: S603 - ours
        answer: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"pip-audit cannot be run ({type(error).__name__})"
    except (ValueError, KeyError, TypeError):
        return f"it could not be reached ({(done.stderr.strip() or 'no answer').splitlines()[-1][:200]})"
    if all("skip_reason" in dependency for dependency in answer):
        return "it could not be reached (pip-audit was told of no release at all)"
    return answer


def _holes(dependency: dict[str, Any]) -> list[str]:
    return [
        f"{dependency['name']} {dependency['version']} has {hole['id']}; "
        f"take {' or '.join(hole['fix_versions']) or 'another package: none is fixed'}"
        for hole in dependency.get("vulns", [])
    ]


def _tell(found: Sequence[str], fine: str) -> None:
    for line in found:
        sys.stdout.write(f"fail  {line}\n")
    if not found:
        sys.stdout.write(f"ok    {fine}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
