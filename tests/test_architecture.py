"""Hold the rules of the house: who imports whom, where clocks, sockets and ciphers live, how long a thing may be.

The rules are read off the syntax tree, so they bind code that no test runs. Each is proved able to fail at the end.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT: dict[str, set[str]] = {
    "nips": set(),
    "protocol": set(),
    "storage": {"nips"},
    "client": {"nips", "protocol"},
    "bridge": {"nips", "protocol", "storage", "client"},
}

PURE = {"nips"}
NOT_IN_PURE = {"asyncio", "socket", "sqlite3", "aiosqlite", "websockets", "time", "random", "secrets", "os"}

# A path ending in a slash stands for everything below it.
ONLY_IN: dict[str, set[str]] = {
    "aiohttp": {"bridge/http.py", "bridge/health/server.py"},
    "aiosqlite": {"storage/"},
    # The last reads when a certificate ends, which the standard library tells of a peer's alone.
    "cryptography": {"nips/nip44.py", "storage/encryption.py", "bridge/turn/managed/certificate.py"},
    "dns": {"bridge/turn/resolver.py"},
    "orjson": {"nips/strict_json.py"},
    "prometheus_client": {"bridge/health/"},
    "pybase64": {"nips/nip44.py"},
    "random": set(),
    "secp256k1": {"nips/keys.py"},
    "secrets": {"client/entropy.py"},
    "sqlite3": {"storage/"},
    "websockets": {"bridge/relay/server.py", "bridge/relay/socket.py", "client/connection.py"},
}

CLOCK = {"client/clock.py"}
USED_ONLY_IN: dict[str, set[str]] = {
    "aiohttp": {"bridge/http.py", "bridge/health/server.py"},
    "asyncio.create_task": set(),  # a TaskGroup owns every task
    "asyncio.ensure_future": set(),
    "datetime.date.today": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.today": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "os.urandom": {"storage/"},
    "time.monotonic": CLOCK,
    "time.monotonic_ns": CLOCK,
    "time.perf_counter": CLOCK,
    "time.perf_counter_ns": CLOCK,
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
}

MOST_LINES_OF_A_MODULE = 400
MOST_LINES_OF_A_FUNCTION = 60
EMPTY_NAMES = {"base", "common", "helper", "helpers", "manager", "managers", "misc", "util", "utils"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """One source file and where it lives, relative to the root of its tree."""

    path: PurePosixPath
    source: str

    @property
    def package(self) -> str:
        return self.path.parts[0]

    @property
    def name(self) -> str:
        parts = self.path.with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.source, str(self.path))

    @cached_property
    def functions(self) -> list[Function]:
        return [node for node in ast.walk(self.tree) if isinstance(node, Function)]

    @cached_property
    def imports(self) -> dict[str, str]:
        """Return what each imported name stands for, as a dotted name, anywhere in the module."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    names[bound] = alias.name if alias.asname else bound
                    names.setdefault(f"import {alias.name}", alias.name)
            elif isinstance(node, ast.ImportFrom):
                source = self._absolute(node)
                names.update({alias.asname or alias.name: f"{source}.{alias.name}" for alias in node.names})
        return names

    @property
    def imported_roots(self) -> set[str]:
        return {name.partition(".")[0] for name in self.imports.values()}

    def is_in(self, places: set[str]) -> bool:
        path = str(self.path)
        return any(path.startswith(place) if place.endswith("/") else path == place for place in places)

    def dotted(self, node: ast.AST) -> str | None:
        """Return the imported thing that an expression names, for example `datetime.datetime.now`."""
        if isinstance(node, ast.Name):
            return self.imports.get(node.id)
        if isinstance(node, ast.Attribute) and (owner := self.dotted(node.value)):
            return f"{owner}.{node.attr}"
        return None

    def _absolute(self, node: ast.ImportFrom) -> str:
        if not node.level:
            return node.module or ""
        folder = self.path.parts[: len(self.path.parts) - node.level]
        return ".".join([*folder, *([node.module] if node.module else [])])


def modules_under(root: Path) -> list[Module]:
    """Read every module of our packages under a root."""
    paths = sorted(path for package in MAY_IMPORT for path in (root / package).rglob("*.py"))
    return [Module(PurePosixPath(path.relative_to(root).as_posix()), path.read_text("utf-8")) for path in paths]


# --- the rules: each yields one sentence for each breach


def imports_point_inward(module: Module) -> Iterator[str]:
    for other in module.imported_roots & (MAY_IMPORT.keys() - MAY_IMPORT[module.package] - {module.package}):
        yield f"{module.package} may not import {other}"
    for other in module.imported_roots & {"tests", "scripts"}:
        yield f"a package may not import {other}"


def pure_rooms_touch_nothing(module: Module) -> Iterator[str]:
    if module.package in PURE:
        yield from (f"a pure room imports {name}" for name in module.imported_roots & NOT_IN_PURE)


def libraries_stay_in_their_files(module: Module) -> Iterator[str]:
    for library, places in ONLY_IN.items():
        if library in module.imported_roots and not module.is_in(places):
            yield f"{library} is imported only in {sorted(places) or 'tests'}"


def clocks_entropy_and_tasks_have_one_place(module: Module) -> Iterator[str]:
    named = {name: node for node in ast.walk(module.tree) if (name := module.dotted(node))}
    named |= {name: module.tree for name in module.imports.values() if name in USED_ONLY_IN}
    for name in named.keys() & USED_ONLY_IN.keys():
        if not module.is_in(USED_ONLY_IN[name]):
            yield f"{name} is used only in {sorted(USED_ONLY_IN[name]) or 'no module'}"


def event_loops_start_no_tasks(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and node.attr == "create_task":
            owner = node.value.func if isinstance(node.value, ast.Call) else node.value
            if ast.unparse(owner).endswith("loop"):
                yield f"line {node.lineno}: a task is created on the loop, where no group owns it"


def nothing_is_too_long(module: Module) -> Iterator[str]:
    lines = module.source.count("\n")
    if lines > MOST_LINES_OF_A_MODULE:
        yield f"{lines} lines; a module has at most {MOST_LINES_OF_A_MODULE}"
    for function in module.functions:
        length = (function.end_lineno or function.lineno) - function.lineno + 1
        if length > MOST_LINES_OF_A_FUNCTION:
            yield f"{function.name}: {length} lines; a function has at most {MOST_LINES_OF_A_FUNCTION}"


def imports_stand_at_the_top(module: Module) -> Iterator[str]:
    """An import inside a function needs its reason beside it."""
    lines = module.source.splitlines()
    for function in module.functions:
        for node in ast.walk(function):
            if isinstance(node, ast.Import | ast.ImportFrom) and "#" not in lines[node.lineno - 1]:
                yield f"line {node.lineno}: an import inside {function.name}, without a word why"


def no_module_keeps_state(module: Module) -> Iterator[str]:
    """Constant tables are fine; containers that wait to be filled, and names that are bound again, are not."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Global):
            yield f"line {node.lineno}: global {', '.join(node.names)}"
    for statement in module.tree.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=name)], value=value)
                | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value)
            ):
                is_constant = name.strip("_").isupper() or name == "__all__"
                if _is_empty_container(value) or (_is_container(value) and not is_constant):
                    yield f"line {statement.lineno}: {name} is mutable state of the module"


def _is_container(value: ast.expr) -> bool:
    made_by_call = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in _CONTAINERS
    return made_by_call or isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _is_empty_container(value: ast.expr) -> bool:
    match value:
        case ast.List(elts=[]) | ast.Dict(keys=[]):
            return True
        case ast.Call(func=ast.Name(id=name), args=arguments):
            return name in _CONTAINERS and (not arguments or name == "defaultdict")
    return False


_CONTAINERS = {"bytearray", "defaultdict", "deque", "dict", "list", "set"}


def no_except_is_bare(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"line {node.lineno}: a bare except"


def names_say_something(module: Module) -> Iterator[str]:
    if module.path.stem in EMPTY_NAMES:
        yield f"a module called {module.path.stem} could hold anything"
    for function in module.functions:
        if function.name.startswith("handle_"):
            yield f"{function.name}: say what it does"


def every_module_says_what_it_is_for(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield "no docstring at its head"


Rule = Callable[[Module], Iterator[str]]

RULES: list[Rule] = [
    imports_point_inward,
    pure_rooms_touch_nothing,
    libraries_stay_in_their_files,
    clocks_entropy_and_tasks_have_one_place,
    event_loops_start_no_tasks,
    nothing_is_too_long,
    imports_stand_at_the_top,
    no_module_keeps_state,
    no_except_is_bare,
    names_say_something,
    every_module_says_what_it_is_for,
]


def import_cycles(modules: list[Module]) -> list[list[str]]:
    """Return the rings of modules that import each other, each once; a package's `__init__` counts as a module."""
    names = {module.name for module in modules}
    edges = {
        module.name: sorted(
            {name for full in module.imports.values() for name in (full, full.rpartition(".")[0]) if name in names}
            - {module.name}
        )
        for module in modules
    }
    rings: list[list[str]] = []
    done: set[str] = set()

    def follow(name: str, trail: list[str]) -> None:
        if name in trail:
            rings.append(trail[trail.index(name) :])
        elif name not in done:
            for other in edges[name]:
                follow(other, [*trail, name])
            done.add(name)

    for name in sorted(edges):
        follow(name, [])
    return rings


@pytest.mark.parametrize("module", modules_under(ROOT), ids=lambda module: str(module.path))
def test_module_keeps_the_rules_of_the_house(module: Module) -> None:
    breaches = [f"{module.path}: {breach}" for rule in RULES for breach in rule(module)]
    assert not breaches, "\n".join(breaches)


def test_no_modules_import_each_other_in_a_ring() -> None:
    assert import_cycles(modules_under(ROOT)) == []


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_every_package_is_looked_at(package: str) -> None:
    assert any(module.package == package for module in modules_under(ROOT))


# --- the rules can fail

BREACHES: list[tuple[Rule, str, str]] = [
    (imports_point_inward, "nips/event.py", "from storage.inbox import Inbox"),
    (imports_point_inward, "storage/inbox.py", "import bridge.app"),
    (imports_point_inward, "client/link.py", "def f():\n    from storage import inbox  # lazily"),
    (imports_point_inward, "bridge/app.py", "from tests.support import clock"),
    (pure_rooms_touch_nothing, "nips/keys.py", "import os"),
    (pure_rooms_touch_nothing, "nips/keys.py", "from time import time"),
    (pure_rooms_touch_nothing, "nips/keys.py", "import asyncio.events as loops"),
    (libraries_stay_in_their_files, "bridge/service.py", "from websockets.asyncio.server import serve"),
    (libraries_stay_in_their_files, "bridge/service.py", "import sqlite3"),
    (libraries_stay_in_their_files, "bridge/service.py", "import random"),
    (libraries_stay_in_their_files, "nips/event.py", "from secp256k1 import lib"),
    (libraries_stay_in_their_files, "storage/inbox.py", "from cryptography.hazmat import primitives"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "import time\nt = time.time()"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "import time as t\nnow = t.time_ns"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "from time import monotonic"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "from datetime import datetime\nx = datetime.now()"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "import datetime as d\nx = d.date.today()"),
    (clocks_entropy_and_tasks_have_one_place, "bridge/service.py", "import asyncio\nasyncio.create_task(f())"),
    (event_loops_start_no_tasks, "bridge/service.py", "loop.create_task(f())"),
    (event_loops_start_no_tasks, "bridge/service.py", "asyncio.get_running_loop().create_task(f())"),
    (nothing_is_too_long, "bridge/service.py", "x = 1\n" * 401),
    (nothing_is_too_long, "bridge/service.py", "async def f():\n" + "    x = 1\n" * 60),
    (imports_stand_at_the_top, "bridge/service.py", "def f():\n    import json"),
    (no_module_keeps_state, "bridge/service.py", "def f():\n    global x\n    x = 1"),
    (no_module_keeps_state, "bridge/service.py", "HANDLERS: dict[str, int] = {}"),
    (no_module_keeps_state, "bridge/service.py", "SEEN = set()"),
    (no_module_keeps_state, "bridge/service.py", "names = ['a']"),
    (no_except_is_bare, "bridge/service.py", "try:\n    f()\nexcept:\n    raise"),
    (names_say_something, "bridge/utils.py", "x = 1"),
    (names_say_something, "bridge/service.py", "def handle_event(): ..."),
    (every_module_says_what_it_is_for, "bridge/service.py", "x = 1"),
]


@pytest.mark.parametrize(
    ("rule", "path", "source"), BREACHES, ids=[f"{rule.__name__}-{n}" for n, (rule, _, _) in enumerate(BREACHES)]
)
def test_breach_is_found(rule: Rule, path: str, source: str, tmp_path: Path) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(source, "utf-8")
    (module,) = modules_under(tmp_path)
    assert list(rule(module))


def test_every_rule_is_proved_able_to_fail() -> None:
    assert {rule for rule, _, _ in BREACHES} == set(RULES)


def test_proper_module_breaks_no_rule(tmp_path: Path) -> None:
    file = tmp_path / "bridge" / "service.py"
    file.parent.mkdir()
    file.write_text(
        '"""Answer."""\n'
        "import asyncio\n"
        "import time\n"
        "from datetime import datetime\n"
        "from nips.event import Event\n"
        "TABLE = {'a': 1}\n"
        "__all__ = ['f']\n"
        "async def f(group: asyncio.TaskGroup, at: float) -> str:\n"
        "    import json  # rarely needed\n"
        "    group.create_task(asyncio.sleep(0))\n"
        "    return time.strftime('%H', time.gmtime(at)) + str(datetime.fromtimestamp(at))\n",
        "utf-8",
    )
    (module,) = modules_under(tmp_path)
    assert [breach for rule in RULES for breach in rule(module)] == []


def test_ring_of_imports_is_found(tmp_path: Path) -> None:
    package = tmp_path / "bridge"
    package.mkdir()
    (package / "one.py").write_text("from bridge.two import x", "utf-8")
    (package / "two.py").write_text("import bridge.three", "utf-8")
    (package / "three.py").write_text("from . import one", "utf-8")
    assert import_cycles(modules_under(tmp_path)) == [["bridge.one", "bridge.two", "bridge.three"]]
