"""Which run folders, checkpoints and command lines are read?"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from pathlib import Path
from random import Random
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load as load_tensors

import epochal as ep
from epochal.cli.main import main
from epochal.data import load_windows
from epochal.data.rankings.ranking import load_rank_pairs
from epochal.data.texts.texts import load_texts
from epochal.runs import disk, load_record, save
from epochal.runs.checkpoints import CheckpointFile, Checkpoints
from epochal.runs.checksummed_json import seal
from epochal.runs.listing import listing
from epochal.runs.trace import seen_throughout
from epochal.runs.verify import verify

from .kinds import Case, Kind, register
from .kinds_files import _tensors
from .kinds_tables import RACES, SERIES, TABLE, TEXTS
from .mutate import HOSTILE, NUMBERS, json_text, mutated_bytes, mutated_json

LINKS = ("/dev/zero", "/etc/passwd", "../../../etc/hostname", ".", "nowhere", "/proc/self/environ")


_MADE: list[tuple[Path, Any]] = []


def _runs(folder: Path) -> list[tuple[Path, Any]]:
    """Run folders of a few kinds of data, with something to predict for each; trained once a process."""
    if not _MADE:
        _MADE.extend(_trained(folder))
    return _MADE


def _trained(folder: Path) -> list[tuple[Path, Any]]:
    small = {"epochs": 2, "batch_size": 16, "repeats": 2, "test": 0.2}
    table, series, reviews, races = (folder / f"{name}.csv" for name in ("table", "series", "texts", "races"))
    for path, content in ((table, TABLE), (series, SERIES), (reviews, TEXTS), (races, RACES)):
        path.write_text(content, encoding="utf-8")
    random = np.random.default_rng(0)
    arrays = random.normal(size=(40, 3)).astype(np.float32)
    fitted: list[tuple[Any, Any]] = [
        (ep.fit(ep.MLP(3), str(table), threshold="f1", order="stratified", **small), table),
        (ep.fit(ep.MLP(3), (arrays, arrays[:, 0] * 3), **small), arrays),
        (
            ep.fit(ep.MLP(3), load_windows(series, window=3, horizon=2, series="store"), epochs=2, test=0.2),
            series,
        ),
    ]
    if not os.environ.get("EPOCHAL_FUZZ_SHORT"):
        pairs = load_rank_pairs(races, by="race")
        fitted += [
            (
                ep.fit(ep.TextClassifier(embedding=4, units=4), load_texts(reviews, text="review"), **small),
                reviews,
            ),
            (ep.fit(ep.Pairwise(ep.MLP(3)), pairs, epochs=2), races),
        ]
    return [(save(run, folder / f"run-{k}"), data) for k, (run, data) in enumerate(fitted)]


def _of(run: Any) -> list[Any]:
    """All that a run says, as plain data and arrays."""
    fitted = [np.asarray(leaf) for leaf in jax.tree.leaves([(one.best, one.last) for one in run.fitted])]
    return [
        json.dumps(run.settings, sort_keys=True), json.dumps(run.data, sort_keys=True), str(run.plan),
        run.verdict.sentence, dict(run.curves.columns), list(run.split_codes), run.rows, list(run.names),
        [str(one) for one in run.outcomes], fitted, json.dumps(run.environment, sort_keys=True),
    ]  # fmt: skip


def _read_run(path: Path, data: Any, deep: bool = True) -> Any:
    """A run is loaded, predicts, is traced and has a page."""
    run = ep.load(path)
    found = _of(run)
    if deep:
        if isinstance(run.model, ep.Pairwise):
            run.rank(data)
        else:
            run.predict(data).to_arrow()
        seen_throughout(run, int(run.rows[0]) if len(run.rows) else 1, 0)
        run.report(path.parent / "page.html")
    return found


def _listed_again(folder: Path, *names: str) -> None:
    """Seal run.json with the files as they are: a stranger can."""
    document = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    document.pop("sha256", None)
    for name in names:
        document["files"][name] = disk.measure(folder / name).to_dict()
    (folder / "run.json").write_text(seal(document), encoding="utf-8")


def _copied(random: Random, good: Any, work: Path) -> tuple[Path, Path, Any]:
    source, data = random.choice(good)
    return shutil.copytree(source, work / "run"), source, data


def _bad_bytes(random: Random, good: Any, work: Path) -> Case:
    """Any file of a run is damaged, lacks, or is another: what loads is what was saved."""
    path, source, data = _copied(random, good, work)
    victim = random.choice(sorted(path.iterdir()))
    what = random.random()
    if what < 0.8:
        victim.write_bytes(mutated_bytes(random, victim.read_bytes()))
    elif what < 0.85:
        victim.unlink()
    elif what < 0.93:
        victim.unlink()
        victim.symlink_to(random.choice(LINKS))
    elif what < 0.96:
        victim.unlink()
        os.mkfifo(victim)
    else:
        other = random.choice([one for one, _ in good]) / victim.name
        if other.is_file():
            shutil.copy(other, victim)
    changed = victim.is_file() and (source / victim.name).read_bytes() == victim.read_bytes()
    deep = changed and random.random() < 0.1

    def read() -> Any:
        verify(path)
        listing(path.parent)
        return [str(source), *_read_run(path, data, deep)]

    def intact() -> Any:
        return [str(source), *_of(ep.load(source))]

    return Case(lambda: _compared(read, intact))


def _compared(read: Any, intact: Any) -> Any:
    from .judge import same

    found, wanted = read(), intact()
    assert same(found, wanted), "a damaged folder was loaded as another run"
    return len(found)


register(Kind("run bytes", _runs, _bad_bytes, slow=True))


def _bad_document(random: Random, good: Any, work: Path) -> Case:
    """run.json says something else and is sealed again."""
    path, _, data = _copied(random, good, work)
    document = json.loads((path / "run.json").read_text(encoding="utf-8"))
    document.pop("sha256")
    keys = [name for name in document if name not in ("format", "files")]
    for _ in range(random.choice((1, 1, 2))):
        if random.random() < 0.1:
            document = mutated_json(random, document)
        else:
            name = random.choice(keys)
            changed = mutated_json(random, {"x": document.get(name)})
            document[name] = changed.get("x") if isinstance(changed, dict) else changed
    with contextlib.suppress(ValueError, TypeError):
        (path / "run.json").write_text(seal(document), encoding="utf-8")

    def read() -> Any:
        verify(path)
        listing(path.parent)
        with contextlib.suppress(ep.Refusal):
            load_record(path).report(path.parent / "record.html")
        _read_run(path, data)

    return Case(read)


register(Kind("run document", _runs, _bad_document, slow=True))


def _bad_tables(random: Random, good: Any, work: Path) -> Case:
    """Tables and tensors of a run are others, and listed as they are."""
    path, _, data = _copied(random, good, work)
    tables = sorted(path.glob("*.parquet"))
    tensors = sorted(path.glob("*.safetensors"))
    victim = random.choice([*tables, *tensors])
    what = random.random()
    if what < 0.4:
        victim.write_bytes(mutated_bytes(random, victim.read_bytes()))
    elif victim in tensors:
        held = load_tensors(victim.read_bytes())
        if held:
            victim.write_bytes(_tensors(random, held))
    else:
        with contextlib.suppress(pa.ArrowInvalid):
            pq.write_table(_other_columns(random, pq.read_table(victim)), victim)
    _listed_again(path, victim.name)

    def read() -> Any:
        verify(path)
        _read_run(path, data)

    return Case(read)


def _other_columns(random: Random, table: Any) -> Any:
    columns = {name: table.column(name).combine_chunks() for name in table.column_names}
    name = random.choice(list(columns))
    count = table.num_rows
    changes = (
        lambda: {**columns, name: pa.array([random.choice((0, 1, 2, 3, -1, 2**62)) for _ in range(count)])},
        lambda: {**columns, name: pa.array([random.choice(HOSTILE[:7]) for _ in range(count)])},
        lambda: {**columns, name: pa.array([None] * count)},
        lambda: {**columns, name: pa.array([float("nan")] * count)},
        lambda: {**columns, name: pa.array([[1]] * count)},
        lambda: {
            **columns,
            name: pa.array([float(random.choice([n for n in NUMBERS if abs(n) < 2**62]))] * count),
        },
        lambda: {one: column for one, column in columns.items() if one != name},
        lambda: {one: column.slice(0, random.choice((0, 1, count // 2))) for one, column in columns.items()},
        lambda: {one: pa.concat_arrays([column] * 3) for one, column in columns.items()},
        lambda: {**columns, random.choice((*HOSTILE[:2], "repeat 7", "test true")): columns[name]},
    )
    return pa.table(random.choice(changes)())


register(Kind("run tables", _runs, _bad_tables, slow=True))


# Checkpoints ------------------------------------------------------------------------------------------------

IDENTITY = {"model": {"kind": "mlp"}, "seed": 3}


def _checkpoints(folder: Path) -> Path:
    kept = Checkpoints(folder, IDENTITY)
    for updates in (10, 20):
        pieces = [
            CheckpointFile(
                f"repeats-{k}",
                {"0/kernel": np.full((3, 2), updates + k, np.float32)},
                {"updates": updates, "k": k},
            )
            for k in range(2)
        ]
        kept.save(updates, pieces, 1.0 / updates)
    return folder


def _read_checkpoint(path: Path) -> Any:
    loaded, _ = Checkpoints(path, IDENTITY).newest()
    if loaded is None:
        return None
    assert loaded.updates in (10, 20)
    for k, piece in enumerate(loaded.files):
        assert dict(piece.about) == {"updates": loaded.updates, "k": k}, "another checkpoint was loaded"
        assert (piece.tensors["0/kernel"] == loaded.updates + k).all(), "another checkpoint was loaded"
    return loaded.updates


def _bad_checkpoint(random: Random, good: Path, work: Path) -> Case:
    path = shutil.copytree(good, work / "run")
    files = sorted(one for one in path.rglob("*") if one.is_file())
    victim = random.choice(files)
    what = random.random()
    outside = work / "outside" / "7"
    outside.mkdir(parents=True)
    (outside / "precious").write_text("precious")
    if what < 0.75:
        victim.write_bytes(mutated_bytes(random, victim.read_bytes()))
    elif what < 0.8:
        victim.unlink()
        victim.symlink_to(random.choice(LINKS))
    elif what < 0.85:
        shutil.rmtree(path / "checkpoints")
        (path / "checkpoints").symlink_to(outside.parent)
    elif what < 0.9:
        (path / "checkpoints" / random.choice(("30", "-1", "1" * 30, "tmp-x", "trash-y"))).symlink_to(outside)
    else:
        shutil.copytree(victim.parent, path / "checkpoints" / random.choice(("30", "5", "020", "0")))

    def read() -> Any:
        found = _read_checkpoint(path)
        kept = Checkpoints(path, IDENTITY)
        kept.save(40, [CheckpointFile("repeats-0", {"a": np.zeros(3, np.float32)}, {})])
        return found

    def read_and_look() -> Any:
        try:
            return read()
        finally:
            assert (outside / "precious").is_file(), "what lies outside of the folder was removed"

    return Case(read_and_look)


register(Kind("checkpoint", _checkpoints, _bad_checkpoint))


def _bad_sealed(random: Random, good: Path, work: Path) -> Case:
    """Manifests that say something else and are sealed again; tensors whose header claims more."""
    path = shutil.copytree(good, work / "run")
    place = path / "checkpoints" / random.choice(("10", "20"))
    if random.random() < 0.6:
        document = json.loads((place / "manifest.json").read_text())
        document.pop("sha256")
        document = mutated_json(random, document)
        with contextlib.suppress(ValueError, TypeError):
            (place / "manifest.json").write_text(seal(document), encoding="utf-8", errors="replace")
    else:
        victim = place / "repeats-0.safetensors"
        held = load_tensors(victim.read_bytes())
        data = _tensors(random, held, {"about": json_text(random, {"updates": 10})})
        victim.write_bytes(data)
        document = json.loads((place / "manifest.json").read_text())
        document.pop("sha256")
        document["files"]["repeats-0"] = disk.measure(victim).to_dict()
        (place / "manifest.json").write_text(seal(document), encoding="utf-8")

    def read() -> Any:
        loaded, _ = Checkpoints(path, IDENTITY).newest()
        if loaded is not None:
            for piece in loaded.files:
                assert all(isinstance(one, np.ndarray) for one in piece.tensors.values())
                assert isinstance(piece.about, dict)
        return None if loaded is None else loaded.updates

    return Case(read)


register(Kind("sealed checkpoint", _checkpoints, _bad_sealed))


# Command lines ----------------------------------------------------------------------------------------------

WORDS = (
    *HOSTILE[:9], "-1", "0", "1", "1e9", "nan", "inf", "full", "1,2,3", "0.5", "5000 updates:128",
    "30:128,60:full", "--", "-", "example:iris", "example:../x", "9" * 40, "1_0", "０", "3x", "0x4", "4x4",
    "sgd", "adam", "best", "last", "os:system", "a=1,b=2", "0:1", "auto", "1e-400", "-0", "+1", "1.0",
    "100 000", "'", '"', "[1]", "{}", "*", "~",
)  # fmt: skip


def _commands(folder: Path) -> Any:
    from epochal.cli.main import COMMANDS, app

    runs = _runs(folder)[:1]
    options = {
        name: [one for one in app.get_command(None, name).params if one.opts and one.opts[0].startswith("-")]  # type: ignore[union-attr,arg-type]
        for name in COMMANDS
    }
    return runs, options


def _word(random: Random) -> str:
    """What a process can be given: no zero byte, and bytes that are no UTF-8 as Python has them."""
    return random.choice(WORDS).replace("\x00", "").replace("\ud800", "\udcff")


def _bad_command(random: Random, good: Any, work: Path) -> Case:
    runs, options = good
    run, table = runs[0]
    name = random.choice(list(options))
    plain = {
        "plan": ["100", "--batch-size", "8"], "train": ["example:iris", "--epochs", "0"],
        "compare": ["example:iris", "--epochs", "0"], "advise": ["example:iris", "--validation", "0"],
        "words": [str(table), "--epochs", "0"], "predict": [str(run), str(table)], "trace": [str(run),
        "--sample", "1"], "report": [str(run), "--out", str(work / "page.html")], "runs": [str(run.parent)],
        "example": ["iris", "--out", str(work / "iris.csv")], "verify": [str(run)], "resume": [str(run)],
    }.get(name, [])  # fmt: skip
    arguments = list(plain)
    for _ in range(random.choice((1, 1, 2, 3))):
        one = random.choice(options[name]) if options[name] else None
        if one is None or random.random() < 0.25:
            at = random.randrange(len(arguments) + 1)
            arguments[at : at + random.randrange(2)] = [_word(random)]
        elif random.choice(one.opts) not in ("--open", "--folder"):
            word = _word(random)
            arguments += [random.choice(one.opts)] + ([] if getattr(one, "is_flag", False) else [word])
    if name in ("train", "compare", "words", "advise"):
        arguments += ["--epochs", "0"] if name != "advise" else ["--validation", "0"]
    os.chdir(work)

    def read() -> Any:
        out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True) for _ in range(2))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = main([name, *arguments])
        said = "".join(one.buffer.getvalue().decode() for one in (out, err))  # type: ignore[attr-defined]
        assert status in (0, 1, 2), f"status {status} of {arguments}"
        assert "internal error" not in said and "Traceback" not in said, f"{arguments}: {said[-1500:]}"
        assert "\x1b[2J" not in said and "\u202e" not in said, f"{arguments}: the terminal is steered"
        return status

    return Case(read)


register(Kind("command line", _commands, _bad_command, slow=True))
