"""Law 4 (Resume), on disk: a run folder has one writer at a time, and whoever died holds nothing."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import subprocess
import sys

import pytest

from epochal.errors import Refusal
from epochal.runs.run_folder import WRITER, locked


def refused(folder):
    with pytest.raises(Refusal) as refusal, locked(folder):
        pytest.fail("two writers")
    text = str(refusal.value)
    assert text.endswith(".") and "\n" not in text
    return text


def test_a_second_writer_is_refused_and_told_who_is_the_first(tmp_path):
    with locked(tmp_path) as writer:
        said = json.loads((tmp_path / WRITER).read_text())
        assert said["run"] == writer
        text = refused(tmp_path)
        assert f"process {os.getpid()} on {socket.gethostname()}" in text and said["since"] in text
    with locked(tmp_path) as another:
        assert another != writer


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": "x", "host": "a\\nb"}', "\0" * 9])
def test_what_the_files_say_is_never_an_obstacle(tmp_path, content):
    for name in ("lock", WRITER):
        (tmp_path / name).write_text(content)
    with locked(tmp_path):
        (tmp_path / WRITER).write_text(content)
        assert "is in use" in refused(tmp_path)


def test_a_writer_that_was_killed_holds_nothing(tmp_path):
    code = (
        "import os, sys, pathlib; from epochal.runs.run_folder import locked\n"
        "with locked(pathlib.Path(sys.argv[1])):\n"
        "    print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        assert first.stdout.readline() == b"locked\n"
        assert f"process {first.pid} " in refused(tmp_path)
        first.kill()
        first.wait()
    assert json.loads((tmp_path / WRITER).read_text())["pid"] == first.pid, "the lock is stale"
    with locked(tmp_path):
        assert json.loads((tmp_path / WRITER).read_text())["pid"] == os.getpid()


def test_where_the_file_system_has_no_locks_there_is_one_writer_all_the_same(tmp_path, monkeypatch):
    def none(*_):
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    monkeypatch.setattr(fcntl, "flock", none)
    with locked(tmp_path):
        assert "is in use" in refused(tmp_path)
    with locked(tmp_path):
        pass
