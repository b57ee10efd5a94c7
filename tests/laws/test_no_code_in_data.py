"""Law: nothing that is read can be code. No module unpickles, evaluates or imports what a file names."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import epochal

SOURCE = Path(epochal.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

FORBIDDEN_MODULES = {
    "pickle", "cPickle", "_pickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "yaml",
    "jsonpickle", "code", "codeop", "runpy", "imp", "ctypes", "skops", "xmlrpc",
}  # fmt: skip
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__", "input", "breakpoint"}
FORBIDDEN_METHODS = {
    ("torch", "load"), ("np", "fromregex"), ("numpy", "fromregex"), ("os", "system"), ("os", "popen"),
    ("subprocess", "getoutput"), ("subprocess", "getstatusoutput"), ("pd", "read_pickle"),
    ("tempfile", "mktemp"), ("pa", "deserialize"), ("pa", "deserialize_pandas"),
}  # fmt: skip
FORBIDDEN_OPTIONS = {"shell", "trust_remote_code", "allow_pickle"}

EXCEPTIONS = {
    ("data/streams/workers.py", "cloudpickle"): "a caller's data set goes to processes that this one started",
    ("training/processes/distributed.py", "ctypes"): "a signal handler of libc, named by epochal itself",
    ("common/late_bound.py", "import_module"): "what draws a record, named by epochal itself",
    ("errors.py", "import_module"): "optional packages, named by epochal itself",
    ("__init__.py", "import_module"): "the package's own names",
    ("cli/main.py", "import_module"): "the commands, named by epochal itself",
    ("models/convert.py", "import_module"): "a model that the caller names, never one that a file names",
}


def name_of(path):
    return path.relative_to(SOURCE).as_posix()


def findings(text):
    """What a module does that could run what it reads: (line, what)."""
    found = []
    for node in ast.walk(ast.parse(text)):
        line = getattr(node, "lineno", 0)
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
            found += [(line, name) for name in names if name in FORBIDDEN_MODULES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            found.append((line, (node.module or "").split(".")[0]))
        elif isinstance(node, ast.Call):
            called = node.func
            if isinstance(called, ast.Name) and called.id in FORBIDDEN_CALLS:
                found.append((line, called.id))
            if isinstance(called, ast.Attribute):
                owner = called.value.id if isinstance(called.value, ast.Name) else ""
                if (owner, called.attr) in FORBIDDEN_METHODS or called.attr == "import_module":
                    found.append((line, called.attr))
                if called.attr == "memmap" or (called.attr == "load" and owner in ("np", "numpy")):
                    pickled = [word.value for word in node.keywords if word.arg == "allow_pickle"]
                    if called.attr == "load" and (
                        not pickled or getattr(pickled[0], "value", None) is not False
                    ):
                        found.append((line, "np.load without allow_pickle=False"))
            for word in node.keywords:
                if (
                    word.arg in ("shell", "trust_remote_code")
                    and getattr(word.value, "value", None) is not False
                ):
                    found.append((line, word.arg))
                if word.arg == "allow_pickle" and getattr(word.value, "value", None) is not False:
                    found.append((line, "allow_pickle"))
    return found


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_module_can_run_what_it_reads(path):
    for line, what in findings(path.read_text(encoding="utf-8")):
        assert (name_of(path), what) in EXCEPTIONS, f"{name_of(path)}:{line}: {what}"


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("import pickle", "pickle"),
        ("from joblib import load", "joblib"),
        ("def f():\n    import yaml.loader", "yaml"),
        ("eval('1')", "eval"),
        ("np.load(path)", "np.load without allow_pickle=False"),
        ("np.load(path, allow_pickle=True)", "np.load without allow_pickle=False"),
        ("np.load(path, allow_pickle=given)", "np.load without allow_pickle=False"),
        ("torch.load(path, weights_only=True)", "load"),
        ("subprocess.run(x, shell=True)", "shell"),
        ("importlib.import_module(name)", "import_module"),
    ],
)
def test_what_is_forbidden_is_found(text, what):
    """The scan is no stub: it finds each of them."""
    assert what in [found for _, found in findings(text)]


def test_every_exception_is_one():
    there = {
        (name_of(path), what) for path in MODULES for _, what in findings(path.read_text(encoding="utf-8"))
    }
    assert set(EXCEPTIONS) <= there
