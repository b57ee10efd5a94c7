"""What do the command line's tests share? Real processes, calls in this process, and one trained run."""

from pathlib import Path

import pytest
from processes import Result

SMALL = ("--hidden", "4", "--epochs", "3", "--batch-size", "30")
"""Options of a training that takes no time."""


@pytest.fixture
def call(tmp_path, monkeypatch, capsys):
    """Run a command in this process, in a folder of its own."""
    from epochal.cli.main import main

    monkeypatch.chdir(tmp_path)
    capsys.readouterr()

    def run(*arguments):
        status = main([str(one) for one in arguments])
        out, err = capsys.readouterr()
        return Result(status, out, err)

    return run


def left_in(folder):
    """All files of a folder, but for what Python compiles by itself."""
    return sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.fixture
def refuse(call, tmp_path):
    """A command must be refused: status 2, one sentence with these words, and nothing left behind."""

    def run(*arguments, words=()):
        before = left_in(tmp_path)
        result = call(*arguments)
        assert (result.status, result.out) == (2, ""), result
        assert result.err.count("\n") == 1, result.err
        assert result.err.startswith("epochal: "), result.err
        assert result.err.rstrip().endswith((".", "?", "lists them all.")), result.err
        assert "internal error" not in result.err, result.err
        for word in words:
            assert word in result.err, f"{word!r} is not in: {result.err}"
        assert left_in(tmp_path) == before
        return result

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The run folder of a small network on a table, and the table: (run, table)."""
    from epochal.cli.main import main

    folder = tmp_path_factory.mktemp("trained")
    table, run = folder / "people.csv", folder / "run"
    lines = ["age,color,height,kind"]
    lines += [
        f"{20 + i % 30},{('red', 'green', 'blue')[i % 3]},{1.5 + i % 7 / 10},{'ab'[i % 2]}" for i in range(60)
    ]
    table.write_text("\n".join(lines) + "\n")
    assert main(["train", str(table), *SMALL, "--repeats", "2", "--out", str(run), "--quiet"]) == 0
    return Path(run), Path(table)
