"""Law 4 (Resume), on disk: one module writes to a run folder; there it is checked, synced and tried."""

from __future__ import annotations

import ast
from pathlib import Path

import epochal.runs
from epochal.runs import disk

OF_OS = {
    *("fsync", "fdatasync", "rename", "replace", "link", "symlink", "unlink", "remove", "mkdir", "makedirs"),
    *("rmdir", "open", "write", "truncate", "ftruncate", "utime"),
}
OF_PATHS = {
    *("write_text", "write_bytes", "mkdir", "rmdir", "unlink", "touch", "open", "symlink_to", "hardlink_to"),
}


def writes(path):
    """Calls by which a module would write past `run/disk.py`."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import) and any(name.name in ("shutil", "tempfile") for name in node.names):
            yield "shutil"
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name) and called.id == "open":
            yield "open"
        if isinstance(called, ast.Attribute):
            owner = called.value.id if isinstance(called.value, ast.Name) else ""
            if (owner == "os" and called.attr in OF_OS) or (
                owner not in ("os", "disk") and called.attr in OF_PATHS
            ):
                yield f"{owner}.{called.attr}"


def test_nothing_else_writes_to_a_run_folder():
    room = Path(epochal.runs.__file__).parent
    found = {path.name: list(writes(path)) for path in room.glob("*.py")}
    assert set(found.pop("disk.py")) >= {"os.open", "os.write", "os.fsync", "os.rename"}, "it would be seen"
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_new_folders_are_named_the_lowest_first(tmp_path):
    assert disk.make_folder(tmp_path / "a" / "b" / "c") == [
        tmp_path / "a" / "b" / "c",
        tmp_path / "a" / "b",
        tmp_path / "a",
    ]
    assert disk.make_folder(tmp_path / "a") == []


def test_what_a_link_points_to_is_not_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "mine")
    disk.remove(tmp_path / "folder")
    assert not (tmp_path / "folder").exists() and (tmp_path / "mine" / "file").exists()
