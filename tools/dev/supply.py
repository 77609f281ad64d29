"""What the project rests on: what is declared, locked, installed and imported, and where these differ.

Reads files and the metadata of installed packages; asks nobody.
"""

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[2]
RUNTIME = ("service", "worker", "mirror")
# Extras that are not for running the mirror.
DEVELOPMENT = frozenset({"dev", "bench"})
# What runs, and what runs with all of the mirror's extras.
LOCK, EXTRAS_LOCK = "requirements.txt", "requirements-extras.txt"
# The oldest releases without these holes. What the lock holds must not be older, whoever edits it.
SOUND_SINCE = {
    "aiohttp": ("3.14.5", "before it: decompression bombs, pipelining and request smuggling"),
    "idna": ("3.7", "before it: CVE-2024-3651, quadratic time for a crafted host name"),
    "pynacl": ("1.6.2", "before it: CVE-2025-69277, points outside the main subgroup pass for valid public keys"),
    "redis": ("4.5.4", "before it: CVE-2023-28859, one request gets another's answer after a cancellation"),
}
_PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)(?:\s*;\s*(.*?))?\s*(?:\\)?$")


class Pin:
    """One release in a requirements file. `applies`: on this platform and this Python."""

    def __init__(self, line: str) -> None:
        match = _PIN.match(line)
        if match is None:
            raise ValueError(f"{line!r} is not a pin such as NAME==VERSION")
        requirement = Requirement(line.rstrip("\\ "))
        self.name = canonicalize_name(requirement.name)
        self.version = match[2]
        self.applies = requirement.marker is None or requirement.marker.evaluate()
        self.hashes = 0


# What a Python newer than this one may have in its standard library: compression.zstd since 3.14.
LATER_STDLIB = {"compression"}


def pins(text: str) -> list[Pin]:
    """Read a requirements file. Raises ValueError for a line that is neither a pin, one of its hashes nor a comment."""
    found: list[Pin] = []
    for line in filter(None, (each.strip() for each in text.splitlines())):
        if line.startswith("--hash=sha256:") and found:
            found[-1].hashes += 1
        elif not line.startswith("#"):
            found.append(Pin(line))
    return found


def declared() -> list[Requirement]:
    """Return the runtime dependencies in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return [Requirement(each) for each in project["dependencies"]]


def extras() -> list[Requirement]:
    """Return what the mirror's extras need beyond that."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    optional = project.get("optional-dependencies", {})
    return [Requirement(each) for name, needs in optional.items() if name not in DEVELOPMENT for each in needs]


def imported() -> list[set[str]]:
    """Name the installed packages that the runtime code imports, wherever in a module it does.

    One set an imported module, as several packages may share one, such as those of OpenTelemetry.
    """
    packages = _packages()
    modules = {name for path in _sources() for name in _imports(ast.parse(path.read_text()))}
    outside = modules - set(sys.stdlib_module_names) - LATER_STDLIB - set(RUNTIME)
    return [{canonicalize_name(package) for package in packages.get(module, [module])} for module in sorted(outside)]


@cache
def _packages() -> Mapping[str, list[str]]:
    return metadata.packages_distributions()


def required(roots: Iterable[Requirement]) -> set[str]:
    """Name the packages that are needed on this platform for `roots`, themselves included, by their metadata."""
    names: set[str] = set()
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        requirement = waiting.pop()
        names.add(canonicalize_name(requirement.name))
        if str(requirement) not in seen:
            seen.add(str(requirement))
            waiting += _needs(requirement)
    return names


def _needs(requirement: Requirement) -> Iterator[Requirement]:
    extras = requirement.extras or {""}
    for text in metadata.requires(requirement.name) or []:
        needed = Requirement(text)
        if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            yield needed


def _sources() -> Iterator[Path]:
    return (path for folder in RUNTIME for path in sorted((ROOT / folder).rglob("*.py")))


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def findings() -> list[str]:
    """Say what is not in order, one line each, as far as this machine can tell by itself."""
    in_files = [line for path in sorted(ROOT.glob("requirements*.txt")) for line in _file_findings(path)]
    # A lock that cannot be read tells nothing of packages.
    return in_files or [*_import_findings(), *_package_findings()]


def _file_findings(path: Path) -> Iterator[str]:
    text = path.read_text()
    if re.search(r"://|^\s*-(?!-hash=)", text, re.MULTILINE):
        yield f"{path.name} names an index, a host or an option: it must hold pins and hashes only (make lock)"
        return
    try:
        unsure = [pin for pin in pins(text) if not pin.hashes]
    except ValueError as error:
        yield f"{path.name} cannot be read: {error} (make lock)"
    else:
        yield from (f"{path.name}: {pin.name}=={pin.version} has no hash: lock again (make lock)" for pin in unsure)


def _import_findings() -> Iterator[str]:
    wanted = {canonicalize_name(each.name) for each in (*declared(), *extras())}
    used = imported()
    for unused in sorted(wanted.difference(*used)):
        yield f"pyproject.toml declares {unused}, which no runtime code imports: take it out"
    for undeclared in (min(packages) for packages in used if not packages & wanted):
        yield f"runtime code imports {undeclared}, which pyproject.toml does not declare: declare it, or do without"


def _package_findings() -> Iterator[str]:
    yield from _lock_findings(LOCK, declared())
    if extras():
        yield from _lock_findings(EXTRAS_LOCK, [*declared(), *extras()])


def _lock_findings(lock: str, wanted: Sequence[Requirement]) -> Iterator[str]:
    needed, locked = required(wanted), pins((ROOT / lock).read_text())
    for missing in sorted({canonicalize_name(each.name) for each in wanted} - {pin.name for pin in locked}):
        yield f"{lock} does not lock {missing}, which is declared: lock again (make lock)"
    for pin in locked:
        if pin.applies:
            yield from _pin_findings(lock, pin, needed)


def _pin_findings(lock: str, pin: Pin, needed: set[str]) -> Iterator[str]:
    if pin.name not in needed:
        yield f"{lock} locks {pin.name}, which nothing needs: lock again (make lock)"
    try:
        installed = metadata.version(pin.name)
    except metadata.PackageNotFoundError:
        yield f"{pin.name} is locked, but not installed: make setup"
    else:
        if installed != pin.version:
            yield f"{pin.name} {installed} is installed, but {pin.version} is locked: make setup"
    sound, reason = SOUND_SINCE.get(pin.name, ("0", ""))
    if Version(pin.version) < Version(sound):
        yield f"{pin.name} {pin.version} has known holes; take {sound} or newer ({reason})"
