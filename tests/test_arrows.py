"""Who may import whom, and that importing does nothing: read from the source, so that no branch hides an import."""

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("service", "worker", "mirror", "tools.simulator")
FORBIDDEN = {
    "service": {"worker", "tools", "tests"},
    "worker": {"service", "tools", "tests"},
    "mirror": {"service", "worker", "tools", "tests"},
    "tools.simulator": {
        "service",
        "worker",
        "mirror",
        "tests",
        "tools.bench",
        "tools.chaos",
        "tools.accuracy",
        "tools.dev",
    },
}
# Rooms within a package. The hot path and the commit know nothing of the rooms that came later.
ROOMS = {
    "service.webhook": {"service.api", "service.console", "service.app"},
    "service.api": {"service.console", "service.app"},
    "worker.postgres": {"worker.jobs", "worker.drain", "worker.outgoing", "worker.supervisor"},
    "worker.outgoing": {"worker.jobs", "worker.drain", "worker.postgres", "worker.supervisor"},
    "mirror.storage": {
        "mirror.cli",
        "mirror.outgoing",
        "mirror.partoo",
        "mirror.postgres",
        "mirror.reconciliation",
        "mirror.transfer",
    },
    "mirror.partoo": {"mirror.cli", "mirror.reconciliation"},
    "mirror.reconciliation": {"mirror.cli"},
    "mirror.outgoing": {"mirror.cli", "mirror.storage"},
    "mirror.postgres": {"mirror.cli", "mirror.storage"},
    "mirror.transfer": {"mirror.cli"},
}
# The domain imports nothing that could do I/O, wait, draw lots or tell the time.
DOMAIN_MAY_IMPORT = {
    "base64",
    "binascii",
    "bisect",
    "collections",
    "dataclasses",
    "datetime",
    "difflib",
    "enum",
    "functools",
    "hashlib",
    "heapq",
    "hmac",
    "itertools",
    "json",
    "math",
    "mirror.domain",
    "msgspec",
    "nacl",
    "re",
    "statistics",
    "typing",
    "unicodedata",
}


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(package: str) -> list[Path]:
    return sorted(path for path in (ROOT / package.replace(".", "/")).rglob("*.py") if "__pycache__" not in path.parts)


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(module: ast.Module, name: str, *, is_package: bool) -> Iterator[str]:
    """Name every module that is imported anywhere in a source, relative and dynamic imports resolved."""
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from _imported_from(node, name, is_package=is_package)
        elif isinstance(node, ast.Call) and _called(node) in {"import_module", "__import__", "run_module"}:
            assert node.args
            assert isinstance(node.args[0], ast.Constant), f"{name} imports what cannot be told from its source"
            yield str(node.args[0].value)


def _imported_from(node: ast.ImportFrom, name: str, *, is_package: bool) -> Iterator[str]:
    base = node.module or ""
    if node.level:
        parts = name.split(".")
        kept = len(parts) - node.level + (1 if is_package else 0)
        base = ".".join([*parts[:kept], *([node.module] if node.module else [])])
    yield base
    yield from (f"{base}.{alias.name}" for alias in node.names)


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def imported_by(path: Path) -> set[str]:
    return set(imports(tree(path), module_name(path), is_package=path.name == "__init__.py"))


def within(name: str, packages: set[str]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_imports_one_that_it_must_not_know(package: str) -> None:
    paths = sources(package)
    assert paths
    wrong = {
        module_name(path): sorted(name for name in imported_by(path) if within(name, FORBIDDEN[package]))
        for path in paths
    }
    assert {name: names for name, names in wrong.items() if names} == {}


@pytest.mark.parametrize("room", ROOMS)
def test_no_room_imports_one_that_is_built_upon_it(room: str) -> None:
    paths = sources(room)
    assert paths
    wrong = {
        module_name(path): sorted(name for name in imported_by(path) if within(name, ROOMS[room])) for path in paths
    }
    assert {name: names for name, names in wrong.items() if names} == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {
        module_name(path): path for package in ("service", "worker", "mirror", "tools") for path in sources(package)
    }
    graph = {
        # A package's own docstring is no circle: `from package import module` names the package too.
        name: {each for each in imported_by(path) & modules.keys() if each != name and not name.startswith(f"{each}.")}
        for name, path in modules.items()
    }
    order = list(TopologicalSorter(graph).static_order())  # raises CycleError, which names the circle
    assert set(order) == modules.keys()


def test_the_domain_imports_nothing_that_does_io_waits_draws_lots_or_tells_the_time() -> None:
    paths = sources("mirror/domain")
    assert len(paths) > 8
    wrong = {
        module_name(path): sorted(name for name in imported_by(path) if not within(name, DOMAIN_MAY_IMPORT))
        for path in paths
    }
    assert {name: names for name, names in wrong.items() if names} == {}


def test_the_domain_never_asks_what_time_it_is_nor_opens_anything() -> None:
    asked = {
        f"{module_name(path)}: {_called(node)}"
        for path in sources("mirror/domain")
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and _called(node) in {"now", "utcnow", "today", "open", "print", "input"}
    }
    assert asked == set()


def test_the_views_and_the_domain_know_nothing_of_storage() -> None:
    for path in [ROOT / "mirror" / "views.py", ROOT / "mirror" / "settings.py", *sources("mirror/domain")]:
        assert not [name for name in imported_by(path) if within(name, {"mirror.storage", "redis", "arq", "aiohttp"})]


def run_at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Walk what runs when a module is imported: all but the bodies of functions and what only a script does."""
    yield node
    for child in _run_with(node):
        yield from run_at_import(child)


def _run_with(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef):
        yield from node.args.defaults
        yield from (default for default in node.args.kw_defaults if default is not None)
        yield from getattr(node, "decorator_list", [])
    elif not (isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)):
        yield from ast.iter_child_nodes(node)


def reads_the_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.Attribute):
        return node.attr in {"environ", "environb", "getenv", "getenvb"}
    return isinstance(node, ast.Name) and node.id in {"environ", "environb", "getenv", "getenvb"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_reads_the_environment_when_it_is_imported(package: str) -> None:
    found = [
        f"{module_name(path)}:{getattr(node, 'lineno', 0)}"
        for path in sources(package)
        for node in run_at_import(tree(path))
        if reads_the_environment(node)
    ]
    assert found == []


CONNECTING = {"connect", "from_url", "Redis", "ArqRedis", "create_pool", "ClientSession", "socket", "run", "configure"}


@pytest.mark.parametrize("package", PACKAGES)
def test_no_module_connects_or_sets_anything_up_when_it_is_imported(package: str) -> None:
    found = [
        f"{module_name(path)}:{node.lineno}"
        for path in sources(package)
        for node in run_at_import(tree(path))
        if isinstance(node, ast.Call) and _called(node) in CONNECTING and path.name != "__main__.py"
    ]
    assert found == []


# The eyes of these tests


def found_in(source: str, name: str = "mirror.storage.x") -> set[str]:
    return set(imports(ast.parse(source), name, is_package=False))


@pytest.mark.parametrize(
    "source",
    [
        "import service.app",
        "import json, service.app as s",
        "from service import app",
        "from service.app import make_app",
        "def f():\n    from service import app",
        "if TYPE_CHECKING:\n    import service.app",
        "from ...service import app",
        "try:\n    import service.app\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('service.app')",
        "__import__('service')",
    ],
)
def test_an_import_is_found_wherever_it_hides(source: str) -> None:
    assert any(within(name, {"service"}) for name in found_in(source))


@pytest.mark.parametrize(
    "source", ["import services", "from mirror.service import x", "from . import service", "x = 'service'"]
)
def test_what_only_looks_like_an_import_is_not_taken_for_one(source: str) -> None:
    assert not any(within(name, {"service"}) for name in found_in(source))


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import os\nX = os.environ['X']", True),
        ("from os import getenv\nX = getenv('X')", True),
        ("class A:\n    x = os.environ.get('X')", True),
        ("def f(x=os.environ.get('X')): pass", True),
        ("@decorate(os.getenv('X'))\ndef f(): pass", True),
        ("f = lambda x=os.environ: x", True),
        ("if True:\n    X = os.environ", True),
        ("def f():\n    return os.environ['X']", False),
        ("async def f():\n    return os.environ['X']", False),
        ("class A:\n    def f(self):\n        return os.environ['X']", False),
        ("f = lambda: os.environ", False),
        ("if __name__ == '__main__':\n    main(os.environ)", False),
    ],
)
def test_a_look_at_the_environment_is_found_exactly_where_importing_makes_it(source: str, *, found: bool) -> None:
    assert any(reads_the_environment(node) for node in run_at_import(ast.parse(source))) is found
