"""The architecture as a test: budgets of files and functions, the tree in its page, nothing unfinished."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

from tests.running import ROOT

SOURCES = sorted(path for room in ("cartoon_dist", "launch", "shards", "bench") for path in (ROOT / room).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
PACKAGE = ROOT / "cartoon_dist"
PAGE = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
FILE_LINES = 300
FUNCTION_LINES = 60


@pytest.mark.parametrize("path", SOURCES + TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_and_its_functions_stay_within_their_budgets(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= FILE_LINES
    functions = [
        node for node in ast.walk(ast.parse(text)) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    long = {node.name: node.end_lineno - node.lineno + 1 for node in functions if node.end_lineno}
    assert {name: lines for name, lines in long.items() if lines > FUNCTION_LINES} == {}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_public_names_are_documented(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    documented = [tree, *(node for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef)))]
    missing = [
        getattr(node, "name", "the module")
        for node in documented
        if not getattr(node, "name", "").startswith("_") and not ast.get_docstring(node)
    ]
    assert missing == []


def test_no_room_without_a_purpose() -> None:
    banned = {"utils", "misc", "helpers", "base", "manager", "common"}
    assert [path for path in SOURCES if path.stem in banned] == []


def test_scripts_are_not_named_like_standard_modules() -> None:
    scripts = [path.stem for room in ("launch", "shards") for path in (ROOT / room).glob("*.py")]
    assert set(scripts) & set(sys.stdlib_module_names) == set()


def test_architecture_page_shows_the_tree_that_is_there() -> None:
    [block] = re.findall(r"<!-- tree -->\n```\n(.*?)```", PAGE, flags=re.DOTALL)
    rooms = {line.strip().split()[0].rstrip("/") for line in block.splitlines() if line.strip()}
    there = {path.name for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"}
    there |= {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert there <= rooms, f"the tree lacks {sorted(there - rooms)}"
    top = {"launch", "shards", "configs", "tests", "docs", "cartoon_dist"}
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    folders = {line.split("/")[0] for line in tracked.splitlines() if "/" in line and not line.startswith(".")}
    assert folders <= top | {"bench", "slurm"}
    assert folders <= rooms, f"the tree lacks {sorted(folders - rooms)}"


def rooms() -> set[str]:
    """Packages and loose modules of cartoon_dist, and the packages in data."""
    folders = {path.parent for path in PACKAGE.glob("*/__init__.py")} - {PACKAGE / "data"}
    folders |= {path.parent for path in PACKAGE.glob("data/*/__init__.py")}
    loose = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    return {f"{folder.relative_to(PACKAGE)}/" for folder in folders} | loose


def test_architecture_page_names_each_room() -> None:
    [table] = re.findall(r"\| room \|.*?\n\n", PAGE, flags=re.DOTALL)
    named = re.findall(r"^\| `([\w./]+)` \|", table, flags=re.MULTILINE)
    assert sorted(named) == sorted(rooms())


@pytest.mark.parametrize(("mark", "container"), [("layers", "cartoon_dist"), ("data layers", "cartoon_dist.data")])
def test_architecture_page_shows_who_may_import_whom(mark: str, container: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [contract["layers"] for contract in contracts if contract.get("containers") == [container]]
    [block] = re.findall(rf"<!-- {mark} -->\n```\n(.*?)```", PAGE, flags=re.DOTALL)
    assert block.splitlines() == layers


def test_architecture_page_names_new_modules_that_exist() -> None:
    _, table = PAGE.split("| old | new |")
    names = [name for row in re.findall(r"^\| `.*", table, flags=re.MULTILINE) for name in row.split("|")[2].split(",")]
    paths = [PACKAGE / f"{name.strip().strip('`').replace('.', '/')}.py" for name in names]
    assert paths
    assert [path for path in paths if not path.exists()] == []


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_files_that_the_pages_for_developers_name_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`((?:\w+/)+\w+\.\w+)`", text) if not re.search(r"NAME|ROOM|RUN", name)}
    assert named
    assert [name for name in sorted(named) if not any((place / name).exists() for place in (ROOT, PACKAGE))] == []


def test_commit_hooks_run_what_make_check_runs() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    [check] = re.findall(r"^check:.*\n((?:\t.*\n)+)", makefile, flags=re.MULTILINE)
    commands = [line.strip().replace("$(BIN)", ".venv/bin") for line in check.splitlines()]
    [local] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert local["repo"] == "local", "a hook from elsewhere is downloaded"
    assert [hook["entry"] for hook in local["hooks"]] == commands


def test_no_machine_path_stands_in_the_repository() -> None:
    named = re.compile(r"(?<![\w.])/(?:work|home|root|opt|mnt)/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in [
            *SOURCES,
            *ROOT.glob("*.md"),
            *ROOT.glob("docs/*.md"),
            *ROOT.glob("configs/**/*.yaml"),
            ROOT / "Makefile",
        ]
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if named.search(line)
    ]
    assert found == []
