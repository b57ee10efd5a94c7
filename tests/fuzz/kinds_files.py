"""Which other files are read: word vectors, parameters to start from, comparisons, schemas, requests?"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import h5py
import jax
import numpy as np
from safetensors.numpy import save, save_file

import epochal as ep
from epochal.applications.word_vectors import WordVectors
from epochal.choose.trials.store import Store
from epochal.choose.trials.trial import Trial
from epochal.curves import Curves
from epochal.data import encoder_from_dict, load, load_windows, transform
from epochal.data.rankings.ranking import load_rank_pairs
from epochal.data.registry import read_again, recipe_from_dict
from epochal.data.texts.texts import load_texts
from epochal.models import Variables, shapes_of
from epochal.models.initial import Initial, initial_variables
from epochal.settings import Settings
from epochal.training.prepare import prepare
from epochal.training.request import ask_again, request_json

from .kinds import Case, Kind, register
from .kinds_tables import RACES, SERIES, TABLE, TEXTS, summary
from .mutate import HOSTILE, NUMBERS, json_text, mutated_bytes, mutated_json, value_of

# Word vectors -----------------------------------------------------------------------------------------------


def _vectors(folder: Path) -> Path:
    random = np.random.default_rng(0)
    words = ("king", "queen", "man", "woman", "größe", "a")
    vectors = random.normal(size=(6, 4)).astype(np.float32)
    for name in ("good.txt", "good.safetensors"):
        WordVectors(words, vectors).save(folder / name)
    return folder


def _read_vectors(path: Path) -> Any:
    found = WordVectors.load(path)
    assert np.isfinite(found.vectors).all() and found.vectors.dtype == np.float32
    return found.nearest(found.words[0], 3)


def _bad_vectors(random: Random, good: Path, work: Path) -> Case:
    path = work / f"bad{random.choice(('.txt', '.safetensors'))}"
    data = (good / f"good{path.suffix}").read_bytes()
    if path.suffix == ".safetensors" and random.random() < 0.5:
        data = _tensors(random, {"vectors": np.zeros((6, 4), np.float32)}, {"words": json.dumps(["a"] * 6)})
    elif random.random() < 0.4:
        lines = data.decode(errors="replace").splitlines()
        at = random.randrange(len(lines))
        fields = lines[at].split(" ")
        fields[random.randrange(len(fields))] = str(value_of(random))
        lines[at] = " ".join(fields)
        data = "\n".join(lines).encode("utf-8", "replace")
    else:
        data = mutated_bytes(random, data)
    path.write_bytes(data)
    return Case(lambda: _read_vectors(path))


register(Kind("word vectors", _vectors, _bad_vectors))


# Parameters -------------------------------------------------------------------------------------------------


def _tensors(random: Random, tensors: dict[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """A safetensors file with a header that claims what is not there."""
    data = save(tensors, metadata)
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    for _ in range(random.choice((1, 1, 2))):
        entry = header[random.choice(list(header))]
        what = random.randrange(7)
        if what == 0:
            header = mutated_json(random, header)
            break
        if not isinstance(entry, dict):
            break
        if "shape" not in entry:
            entry[random.choice(list(entry) or ["words"])] = random.choice(
                (*HOSTILE, "[1]", "{}", "[" * 10_000)
            )
        elif what == 1:
            entry["shape"] = [random.choice(NUMBERS) for _ in range(random.randrange(5))]
        elif what == 2:
            kinds = (
                "F64",
                "BF16",
                "F8_E4M3",
                "I64",
                "U8",
                "BOOL",
                "F4",
                "C64",
                "X",
                "I4",
                "F16",
                None,
                "F6_E2M3",
            )
            entry["dtype"] = random.choice(kinds)
        elif what == 3:
            entry["data_offsets"] = [random.choice(NUMBERS), random.choice(NUMBERS)]
        elif what == 4:
            header[random.choice(HOSTILE)] = entry
        elif what == 5:
            header["__metadata__"] = value_of(random)
        else:
            header.pop(random.choice(list(header)))
            if not header:
                break
    text = json_text(random, header).encode("utf-8", "replace")
    size = random.choice((len(text), len(text), len(text), 0, 2**63, len(text) + 1000))
    return struct.pack("<Q", size) + text + data[8 + length :]


def _network() -> Any:
    return ep.MLP(4, outputs=2)


def _shapes() -> Variables:
    return shapes_of(_network(), (3,), np.dtype(np.float32))


def _start(folder: Path) -> tuple[Path, dict[str, Any]]:
    drawn = _network().init(jax.random.key(0), np.zeros(3, np.float32))
    leaves = jax.tree_util.tree_leaves_with_path(drawn)
    tensors = {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf) for path, leaf in leaves
    }
    save_file(tensors, folder / "good.safetensors")
    return folder / "good.safetensors", tensors


def _read_start(path: Path, reinitialize: tuple[str, ...] = ()) -> Any:
    start = initial_variables(Initial(path, reinitialize=reinitialize), _shapes())
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(start.variables))
    return [str(note) for note in start.notes]


def _bad_start(random: Random, good: Any, work: Path) -> Case:
    path = work / "bad.safetensors"
    what = random.random()
    data = mutated_bytes(random, good[0].read_bytes()) if what < 0.5 else _tensors(random, good[1])
    path.write_bytes(data)
    return Case(lambda: _read_start(path))


register(Kind("start", _start, _bad_start))


def _h5(write: Any) -> bytes:
    held = io.BytesIO()
    with h5py.File(held, "w") as file:
        write(file)
    return held.getvalue()


def _keras_layers(file: Any) -> None:
    for name, (inputs, outputs) in {"dense": (3, 4), "dense_1": (4, 2)}.items():
        group = file.create_group(f"layers/{name}/vars")
        group.attrs["name"] = name
        group["0"] = np.full((inputs, outputs), 0.5, np.float32)
        group["1"] = np.zeros(outputs, np.float32)


def _keras(folder: Path) -> Path:
    path = folder / "good.weights.h5"
    path.write_bytes(_h5(_keras_layers))
    return path


def _hostile_layers(random: Random) -> Any:
    def write(file: Any) -> None:
        _keras_layers(file)
        group = file["layers/dense/vars"]
        what = random.randrange(9)
        if what == 0:
            file["layers/loop"] = h5py.SoftLink("/layers")
        elif what == 1:
            file["layers/again"] = file["layers"]
        elif what == 2:
            file["layers/other"] = h5py.ExternalLink("/etc/passwd", "/")
        elif what == 3:
            del group["0"]
            group.create_dataset("0", shape=(2**31, 2**20), dtype="f4", chunks=(1024, 1024))
        elif what == 4:
            del group["0"]
            group["0"] = random.choice(
                (np.zeros((3, 4), "S5"), np.zeros((3, 4), "c8"), np.float32(1), np.zeros((0, 4)))
            )
        elif what == 5:
            group.attrs["name"] = random.choice((*HOSTILE[:4], np.zeros(100), b"\xff", 5, ""))
        elif what == 6:
            del group["0"]
            group.create_dataset("0", shape=(3, 4), dtype="f4", external=[("/etc/passwd", 0, 48)])
        elif what == 7:
            for number in range(300):
                file.create_group("layers/" + "/".join(f"g{number}" for _ in range(20)))
        else:
            group["0"][0, 0] = random.choice((np.nan, np.inf))

    return write


def _bad_keras(random: Random, good: Path, work: Path) -> Case:
    content = _h5(_hostile_layers(random)) if random.random() < 0.5 else good.read_bytes()
    if random.random() < 0.6:
        content = mutated_bytes(random, content)
    path = work / random.choice(("bad.weights.h5", "bad.keras"))
    if path.suffix == ".keras":
        method = random.choice(
            (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2)
        )
        with zipfile.ZipFile(path, "w", method) as out:
            out.writestr(
                random.choice(("model.weights.h5", "model.weights.h5", "../model.weights.h5")), content
            )
            out.writestr("config.json", '{"module": "os", "class_name": "system"}')
        if random.random() < 0.4:
            path.write_bytes(mutated_bytes(random, path.read_bytes()))
    else:
        path.write_bytes(content)
    return Case(lambda: _read_start(path))


register(Kind("keras", _keras, _bad_keras))


# Comparisons ------------------------------------------------------------------------------------------------

REQUEST = {"what": "a test", "sizes": [8, 16]}


def _store(folder: Path) -> Path:
    store = Store(folder / "good", REQUEST)
    for number in range(3):
        count = np.arange(4)
        columns = {"validation.loss": np.linspace(1, 0.5, 4).astype(np.float32).astype(np.float64)}
        curves = Curves(np.full(4, number), count / 3, count * 4, count * 64, count * 1e-3, columns)
        store.add(f"key {number}", Trial("one", number, curves, 12, 0.0125, ""))
        store.add_timing(f"t{number}", {"seconds": 1e-6, "low": 1e-7, "high": 1e-5, "updates": 100})
    return folder / "good"


def _read_store(path: Path) -> Any:
    store = Store(path, REQUEST)
    found = []
    for number in range(3):
        trial = store.find(f"key {number}", "one", number)
        if trial is not None:
            curves = trial.curves
            found.append(
                [number, trial.updates, trial.seconds, trial.reason, dict(curves.columns), curves.update]
            )
        found.append(store.timing(f"t{number}") or number)
    return found


def _bad_store(random: Random, good: Path, work: Path) -> Case:
    import shutil

    path = work / "store"
    shutil.copytree(good, path)
    victim = path / random.choice(
        ("trials.jsonl", "trials.jsonl", "trials.jsonl", "timings.jsonl", "request.json")
    )
    if random.random() < 0.5:
        victim.write_bytes(mutated_bytes(random, victim.read_bytes()))
    else:
        lines = (
            [json.loads(line) for line in (good / victim.name).read_text().splitlines()]
            if (victim.suffix == ".jsonl")
            else [json.loads(victim.read_text())]
        )
        at = random.randrange(len(lines))
        lines[at] = mutated_json(random, lines[at])
        victim.write_bytes(
            "\n".join(json_text(random, line) for line in lines).encode("utf-8", "replace") + b"\n"
        )
    return Case(lambda: [one for one in _read_store(path) if not isinstance(one, int)])


register(Kind("comparison", _store, _bad_store))


# Schemas and requests ---------------------------------------------------------------------------------------


def _encoders(folder: Path) -> list[tuple[dict[str, Any], Path]]:
    found = []
    readers = {
        "table": (TABLE, load),
        "windows": (SERIES, lambda path: load_windows(path, window=4, series="store")),
        "texts": (TEXTS, lambda path: load_texts(path, text="review")),
        "pairs": (RACES, lambda path: load_rank_pairs(path, by="race")),
    }
    for name, (content, read) in readers.items():
        path = folder / f"{name}.csv"
        path.write_text(content, encoding="utf-8")
        encoder: Any = read(path).encoder
        found.append((json.loads(json.dumps(encoder.to_dict())), path))
    return found


def _bad_encoder(random: Random, good: Any, work: Path) -> Case:
    value, path = random.choice(good)
    value = mutated_json(random, value)

    def read() -> Any:
        encoder = encoder_from_dict(value)
        return summary(transform(encoder, path))

    return Case(read)


register(Kind("schema", _encoders, _bad_encoder))


def _request(folder: Path) -> dict[str, Any]:
    path = folder / "good.csv"
    path.write_text(TABLE, encoding="utf-8")
    settings = Settings(epochs=3, batch_size=8, stop=ep.Patience(3), class_weight="balanced")
    asked: dict[str, Any] = json.loads(json.dumps(request_json(prepare(ep.MLP(4), str(path), settings))))
    return asked


def _bad_request(random: Random, good: dict[str, Any], work: Path) -> Case:
    value = mutated_json(random, good)

    def read() -> Any:
        model, data, settings = ask_again(value)
        return [type(model).__name__, data.samples, settings.epochs]

    return Case(read)


register(Kind("request", _request, _bad_request))


def _bad_recipe(random: Random, good: dict[str, Any], work: Path) -> Case:
    value = mutated_json(random, good["data"].get("recipe", good["data"]))
    return Case(lambda: summary(read_again(recipe_from_dict(value))))


register(Kind("recipe", _request, _bad_recipe))
