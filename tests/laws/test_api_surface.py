"""Law: what epochal offers is what it says it offers, and its rooms are only entered from below."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import epochal
from epochal.plan import ORDERS, REMAINDERS
from epochal.plan.phases import PhasedSchedule
from epochal.settings import VARYING, Options, Settings
from epochal.training.signatures import settings_of

SOURCE = Path(epochal.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

ROOMS = runpy.run_path(str(Path(__file__).parents[2] / "docs" / "tree.py"))["LAYERS"]
"""Each may import those before it."""


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def room_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path):
    """The names of the package that a module imports: late imports and those for type checkers count."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name_of(path)}: imports are written in full"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name for name in found if name.split(".")[0] == "epochal"}


def graph_of(root):
    """For each module of a package the modules that it imports."""
    paths = {
        ".".join(("epochal", *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"): path
        for path in root.rglob("*.py")
    }
    homes = {
        name: {found if found in paths else found.rpartition(".")[0] for found in imports_of(path)}
        for name, path in paths.items()
    }
    return {name: (found & paths.keys()) - {name} for name, found in homes.items()}


def circles(graph):
    """The modules that can't be put in an order in which each imports only those before it."""
    graph = dict(graph)
    while ready := [name for name, found in graph.items() if not found & graph.keys()]:
        for name in ready:
            del graph[name]
    while ready := [name for name in graph if not any(name in found for found in graph.values())]:
        for name in ready:
            del graph[name]
    return sorted(graph)


def test_every_public_name_can_be_imported_and_is_listed():
    for name in epochal.__all__:
        assert getattr(epochal, name) is not None, name
    assert set(dir(epochal)) == set(epochal.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        epochal.nothing  # noqa: B018


def test_type_checkers_see_the_names_that_there_are():
    """The lazy table and the imports under TYPE_CHECKING list the same, and strict checkers may use them."""
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    (block,) = (
        node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
    )
    seen = {
        alias.asname: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in block.body:
        if isinstance(node, ast.Assign):  # under another name
            seen[ast.unparse(node.targets[0])] = seen.pop(ast.unparse(node.value))
    assert seen == epochal._HOMES


@pytest.mark.parametrize("path", sorted(SOURCE.rglob("__init__.py")), ids=name_of)
def test_the_names_that_a_package_lists_are_there(path):
    """In a module every name without an underscore is for others; only packages list theirs."""
    module = importlib.import_module(".".join(("epochal", *path.relative_to(SOURCE).parts[:-1])))
    for name in getattr(module, "__all__", ()):
        assert hasattr(module, name), f"{name_of(path)} lists {name}"


def test_no_module_lists_its_names_a_second_time():
    lists = [
        name_of(path) for path in MODULES if path.name != "__init__.py" and "__all__ =" in path.read_text()
    ]
    assert lists == []


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_imports_point_only_upwards(path):
    room = room_of(path)
    if room in ("__init__", "__main__"):
        return
    assert room in ROOMS, f"{name_of(path)} is in no room of the list"
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    wrong = {name.partition(".")[2].partition(".")[0] for name in imports_of(path)} - allowed
    assert not wrong, f"{name_of(path)} imports {', '.join(sorted(wrong))}, which come after it"


def test_the_check_of_imports_notices_a_wrong_one(tmp_path, monkeypatch):
    """Negative control."""
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    wrong = tmp_path / "plan" / "bad.py"
    wrong.parent.mkdir()
    wrong.write_text("def f():\n    from epochal.training.train import fit\n    return fit\n")
    with pytest.raises(AssertionError, match="imports training, which come after it"):
        test_imports_point_only_upwards(wrong)


def test_the_parts_of_choose_import_only_those_before_them():
    parts = ("statistics", "trials", "search", "comparison", "advice")
    modules = [path for path in MODULES if room_of(path) == "choose" and path.parent.name != "choose"]
    assert {path.parent.name for path in modules} == set(parts)
    for path in modules:
        own = [name.split(".")[2] for name in imports_of(path) if name.startswith("epochal.choose.")]
        later = set(own) - set(parts[: parts.index(path.parent.name) + 1])
        assert not later, f"{name_of(path)} imports {', '.join(sorted(later))}, which come after it"


def test_no_modules_import_each_other():
    assert circles(graph_of(SOURCE)) == []


def test_the_check_of_circles_notices_late_and_type_only_imports(tmp_path, monkeypatch):
    """Negative control."""
    monkeypatch.setitem(globals(), "SOURCE", tmp_path)
    (tmp_path / "first.py").write_text("def f():\n    from epochal import second\n    return second\n")
    (tmp_path / "second.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from epochal.third import Name\n"
    )
    (tmp_path / "third.py").write_text("import epochal.first\nfrom epochal.fourth import name\n")
    (tmp_path / "fourth.py").write_text("name = 1\n")
    assert circles(graph_of(tmp_path)) == ["epochal.first", "epochal.second", "epochal.third"]


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_opens_with_a_statement_of_what_it_holds(path):
    if path == SOURCE / "__init__.py":
        return
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert text, f"{name_of(path)} has no docstring"
    first = text.splitlines()[0]
    assert first.endswith("."), f"{name_of(path)}: {first}"


@pytest.mark.parametrize("kind", [*map(type, ORDERS.values()), *REMAINDERS.values(), PhasedSchedule])
def test_public_methods_of_a_plan_have_a_docstring_or_inherit_one(kind):
    methods = [
        name for name, one in vars(kind).items() if inspect.isfunction(one) or isinstance(one, property)
    ]
    assert [name for name in methods if name[0] != "_" and not inspect.getdoc(getattr(kind, name))] == []


def test_files_stay_under_400_lines():
    long = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    long = {name: lines for name, lines in long.items() if lines > 400}
    assert long == {}


def test_options_and_settings_have_the_same_names_in_the_same_order():
    fields = [field.name for field in dataclasses.fields(Settings)]
    assert list(Options.__annotations__) == fields
    described = inspect.getdoc(Settings)  # Python 3.13 strips indentation, older ones don't
    documented = [name for name in fields if f"\n    {name}: " in described]
    assert documented == fields, "each is described"
    defaults = Settings()
    assert defaults.vary == VARYING and settings_of({}) == defaults


def test_a_plan_is_made_without_jax():
    code = (
        "import sys, epochal; epochal.Plan(200, 5, 1000).batch(3, 4); "
        "print([name for name in ('jax', 'flax', 'sklearn', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
