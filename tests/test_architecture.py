"""The rules of the house that import-linter cannot see. Its contracts are in pyproject.toml; `make check` runs them."""

import ast
import re
import tomllib
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GROUND_AND_EDGES = {"kit", "provider", "api", "console", "cli"}
DOMAINS = {init.parent.name for init in ROOT.glob("service/*/__init__.py")} - GROUND_AND_EDGES

# One colour: everything else is sync, as Celery is.
MAY_BE_ASYNC = {
    "service/api/app.py": "the lifespan",
    "service/api/middleware.py": "pure ASGI",
    "service/api/health.py": "answers while every thread is taken",
    "service/api/uploads.py": "streams a body to storage",
    "service/api/resolve.py": "answers from memory",
    "service/api/rates.py": "counts a request in Redis, within 50 ms",
    "service/api/streams.py": "SSE and every ?wait",
    "service/api/provider_webhooks.py": "reads a body as it was sent, which is what was signed",
    "service/api/deps.py": "dependencies that compare what is at hand: not worth a thread",
    "service/api/handlers.py": "exception handlers: not worth a thread",
    "service/kit/storage.py": "the other end of uploads.py",
}
MAY_TOUCH_THE_ENVIRONMENT = {
    "service/kit/settings.py": "reads it for everybody",
    "service/cli/embedded/unprivileged.py": "hands it on to the servers",
    "service/cli/local.py": "hands it on to the processes of the stack",
    "service/provider/tokens.py": "tells tiktoken where its ranks lie, which it learns no other way",
}

FILE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
# Longer than that, and better so: "path" or "path:function", and why.
LONG_FOR_A_REASON = {
    "migrations/versions/2026_11_20_1050_jobs.py:_jobs": "one table, a line a column",
}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    return relative(path).removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def imports(path: Path) -> Iterator[str]:
    """Every module the file imports, and every name it takes from one, as dotted paths."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{relative(path)}: imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def attributes(path: Path) -> Iterator[str]:
    """Every dotted name the file uses, such as `os.environ`."""
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node)


def files_that_use(pattern: str, *folders: str) -> set[str]:
    wanted = re.compile(pattern)
    return {
        relative(path)
        for path in sources(*folders)
        if any(wanted.fullmatch(name) for name in (*attributes(path), *imports(path)))
    }


def importers_of(package: str) -> set[str]:
    found = sources("service", "workers")
    return {module_name(path) for path in found if any(name.split(".")[0] == package for name in imports(path))}


def is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def inside_a_domain(dotted: str) -> str | None:
    """The file of a domain that an import reaches past its front door: `service.jobs.models`, not `service.jobs`."""
    parts = dotted.split(".")
    if len(parts) < 3 or parts[0] != "service" or parts[1] not in DOMAINS:
        return None
    reached = ".".join(parts[:3])
    return reached if is_module(reached) else None


def test_domains_are_entered_by_their_front_door() -> None:
    trespassers = []
    for path in sources("service", "workers"):
        importer = module_name(path)
        for imported in imports(path):
            reached = inside_a_domain(imported)
            if reached is None or importer.startswith(reached.rpartition(".")[0]):
                continue
            runs_flows = importer.startswith(("workers", "service.cli"))
            if not (runs_flows and reached.endswith(".flows")):
                trespassers.append(f"{importer} imports {imported}")
    assert not trespassers


def test_every_domain_is_in_the_contract_on_order_inside() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (order,) = (contract for contract in contracts if contract["name"] == "Order inside a domain")
    assert set(order["containers"]) == {f"service.{domain}" for domain in DOMAINS}


def test_async_code_is_where_the_architecture_lists_it() -> None:
    found = {
        relative(path)
        for path in sources("service", "workers")
        if any(isinstance(node, ast.AsyncFunctionDef) for node in ast.walk(tree(path)))
    }
    assert found == {path for path in MAY_BE_ASYNC if (ROOT / path).exists()}


def test_the_environment_is_read_in_the_settings_only() -> None:
    users = files_that_use(r"os\.(environ|environb|getenv|putenv)(\..*)?", "service", "workers")
    assert users <= MAY_TOUCH_THE_ENVIRONMENT.keys()


def test_the_clock_is_read_in_one_place() -> None:
    wall_clock = r"(datetime\.)?(datetime|date)\.(now|utcnow|today)|time\.(time|time_ns)"
    assert files_that_use(wall_clock, "service", "workers") <= {"service/kit/clock.py"}


@pytest.mark.parametrize(
    ("package", "importers"),
    [
        ("openai", {"service.provider.openai.client", "service.provider.openai.jobs"}),
        ("tiktoken", {"service.provider.tokens"}),
        ("bpe_openai", {"service.provider.tokens"}),
    ],
)
def test_the_outside_world_is_known_to_one_file(package: str, importers: set[str]) -> None:
    assert importers_of(package) <= importers


def test_no_address_of_a_package_index_is_committed() -> None:
    address = re.compile(
        r"pythonhosted\.org|pypi\.org/simple|/simple/|--(extra-)?index-url|--find-links|\bfile:///(?!var/lib/tuneplane)"
    )
    places = ["requirements/*", "*.toml", "*.lock", "Makefile", "Dockerfile", "docker-compose.yml", ".ci/*"]
    files = [path for place in places for path in ROOT.glob(place)]
    assert files
    assert not [f"{relative(path)}: {found[0]}" for path in files if (found := address.search(path.read_text()))]


def too_long() -> Iterator[str]:
    for path in sources("service", "workers", "emulator", "tuneplane_resolver", "bench", "migrations", "tests"):
        name = relative(path)
        lines = len(path.read_text().splitlines())
        if lines > FILE_LINES_MAX and name not in LONG_FOR_A_REASON:
            yield f"{name}: {lines} lines"
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES_MAX and f"{name}:{node.name}" not in LONG_FOR_A_REASON:
                    yield f"{name}:{node.name}: {lines} lines"


def test_sizes_are_reported() -> None:
    """A report, never a red build: what is too long is for a reader to judge."""
    if found := list(too_long()):
        limits = f"more than {FILE_LINES_MAX} lines a file or {FUNCTION_LINES_MAX} a function:"
        warnings.warn("\n  ".join([limits, *found]), stacklevel=1)
