"""Which tables, arrays and pictures are read?"""

from __future__ import annotations

import gzip
import io
import struct
import zipfile
import zlib
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from epochal.data import load, load_windows, transform
from epochal.data.rankings.ranking import load_rank_pairs
from epochal.data.texts.texts import load_texts

from .kinds import Case, Kind, register
from .mutate import CELLS, HOSTILE, NUMBERS, mutated_bytes, mutated_text


def summary(dataset: Any) -> list[Any]:
    """What a data set is, in short; its inputs are read once."""
    inputs = dataset.inputs
    values = inputs[: min(len(inputs), 100)] if isinstance(inputs, np.ndarray) else inputs.take(np.arange(2))
    assert np.asarray(values).dtype in (np.float32, np.uint8, np.int32)
    assert all(isinstance(note, str) for note in dataset.raw_notes)
    return [dataset.samples, dataset.shape, dataset.target_name, np.asarray(values).shape]


def rows(count: int = 60) -> list[str]:
    words, bought = ("red", "green", "blue", ""), ("no", "yes", "yes")
    return [
        f"{(k * 37 % 101) / 7:.2f},{k % 5},{words[k % 4]},2024-01-{k % 28 + 1:02},{bought[k * 7 % 3]}"
        for k in range(count)
    ]


TABLE = "size,count,color,day,bought\n" + "\n".join(rows()) + "\n"
SERIES = "day,store,sales\n" + "".join(
    f"2024-{k // 28 + 1:02}-{k % 28 + 1:02},s{j},{(k * 13 + j) % 17 + 0.5}\n"
    for j in (0, 1)
    for k in range(60)
)
TEXTS = "review,liked\n" + "".join(
    f"the {('plot', 'actor', 'score')[k % 3]} was {('dull', 'fine')[k % 2]} number {k},{k % 2}\n"
    for k in range(40)
)
RACES = "race,weight,place\n" + "".join(f"r{k // 4},{k * 7 % 13},{k % 4 + 1}\n" for k in range(40))


def texts(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _csv(content: str, read: Any) -> tuple[Any, Any]:
    def good(folder: Path) -> Path:
        path = folder / "good.csv"
        path.write_text(content, encoding="utf-8")
        return path

    def bad(random: Random, good: Path, work: Path) -> Case:
        path = work / random.choice(("bad.csv", "bad.csv", "bad.tsv", "bad.txt", "bad.csv.gz"))
        data = mutated_text(random, texts(good))
        if path.suffix == ".gz":
            data = gzip.compress(data, 1)
            data = mutated_bytes(random, data) if random.random() < 0.3 else data
        path.write_bytes(data)
        return Case(lambda: read(path))

    return good, bad


def _read_table(path: Path) -> Any:
    return summary(load(path))


def _read_series(path: Path) -> Any:
    return summary(load_windows(path, window=4, series="store"))


def _read_texts(path: Path) -> Any:
    return summary(load_texts(path, text="review"))


def _read_pairs(path: Path) -> Any:
    return summary(load_rank_pairs(path, by="race"))


register(Kind("csv", *_csv(TABLE, _read_table)))
register(Kind("series", *_csv(SERIES, _read_series)))
register(Kind("texts", *_csv(TEXTS, _read_texts)))
register(Kind("pairs", *_csv(RACES, _read_pairs)))


def _new_rows(folder: Path) -> Any:
    path = folder / "good.csv"
    path.write_text(TABLE, encoding="utf-8")
    return path, load(path).encoder


def _bad_new_rows(random: Random, good: Any, work: Path) -> Case:
    path = work / "bad.csv"
    path.write_bytes(mutated_text(random, texts(good[0])))
    return Case(lambda: summary(transform(good[1], path)))


register(Kind("new rows", _new_rows, _bad_new_rows))


# Parquet ----------------------------------------------------------------------------------------------------


def _table(random: Random | None = None) -> pa.Table:
    count = 60
    columns: dict[str, Any] = {
        "size": [k * 37 % 101 / 7 for k in range(count)],
        "count": pa.array([k % 5 for k in range(count)]),
        "color": pa.array([("red", "green")[k % 2] for k in range(count)]).dictionary_encode(),
        "day": pa.array([k * 86_400_000 for k in range(count)], pa.timestamp("ms")),
        "bought": ["yes" if k * 7 % 3 else "no" for k in range(count)],
    }
    if random is None:
        return pa.table(columns)
    for _ in range(random.choice((1, 1, 3))):
        name = random.choice((*columns, *(one for one in HOSTILE[:10] if one.isascii())))
        columns[name] = _column(random, count)
    names = list(columns)
    random.shuffle(names)
    table = pa.table({name: columns[name] for name in names})
    if random.random() < 0.2:
        table = table.rename_columns([random.choice(("a", "", "b")) for _ in names])
    return table.slice(0, random.choice((count, count, 2, 1, 0)))


def _column(random: Random, count: int) -> Any:
    kinds = (
        lambda: pa.array([None] * count),
        lambda: pa.array([None] * count, pa.float64()),
        lambda: pa.array([random.choice(CELLS[:40]).replace("\ud800", "") for _ in range(count)]),
        lambda: pa.array([b"\xff\xfe"] * count),
        lambda: pa.array([[1.0]] * count),
        lambda: pa.array([{"a": 1}] * count),
        lambda: pa.array([2**64 - 1 - k for k in range(count)], pa.uint64()),
        lambda: pa.array([-(2**63) + k for k in range(count)], pa.int64()),
        lambda: pa.array([float("nan"), float("inf")] * (count // 2)),
        lambda: pa.array(np.arange(count, dtype=np.float16)),
        lambda: pa.array([2**62] * count, pa.timestamp("ns")),
        lambda: pa.array([-(2**52)] * count, pa.timestamp("s")),
        lambda: pa.array([2**30] * count, pa.date32()),
        lambda: pa.array(range(count), pa.time32("s")),
        lambda: pa.array([2**62] * count, pa.duration("ms")),
        lambda: pa.array([1] * count).cast(pa.decimal128(38, 10)),
        lambda: pa.array([k % 2 == 0 for k in range(count)]),
        lambda: pa.array(["x" * 50_000] * count).dictionary_encode(),
        lambda: pa.array(["x"] * count, pa.large_string()),
        lambda: pa.array([random.choice([n for n in NUMBERS if abs(n) < 2**62]) * 1.0 for _ in range(count)]),
        lambda: pa.array([f"v{k}" for k in range(count)]),
    )
    return random.choice(kinds)()


def _good_parquet(folder: Path) -> Path:
    path = folder / "good.parquet"
    pq.write_table(_table(), path, row_group_size=25)
    return path


def _bad_parquet(random: Random, good: Path, work: Path) -> Path:
    path = work / "bad.parquet"
    if random.random() < 0.5:
        path.write_bytes(mutated_bytes(random, good.read_bytes()))
    else:
        compression = random.choice(("none", "snappy", "zstd", "gzip"))
        pq.write_table(
            _table(random), path, row_group_size=random.choice((1, 7, 100)), compression=compression
        )
    return path


def _in_memory(random: Random, good: Path, work: Path) -> Case:
    path = _bad_parquet(random, good, work)
    return Case(lambda: summary(load(path)))


def _streamed(random: Random, good: Path, work: Path) -> Case:
    path = _bad_parquet(random, good, work)
    return Case(lambda: summary(load(path, stream=True)))


def _converted(folder: Path) -> Path:
    path = _good_parquet(folder)
    load(path, stream=True)
    return path


def _bad_conversion(random: Random, good: Path, work: Path) -> Case:
    """The conversion beside the file is damaged: it is used as it should be, or made again."""
    import shutil

    path = work / good.name
    shutil.copy2(good, path)
    [made] = [one for one in (good.parent / f".{good.name}.epochal").iterdir() if one.is_dir()]
    shutil.copytree(made, work / f".{good.name}.epochal" / made.name)
    victim = random.choice(sorted((work / f".{good.name}.epochal" / made.name).iterdir()))
    victim.write_bytes(mutated_bytes(random, victim.read_bytes()))
    return Case(lambda: summary(load(path, stream=True)))


register(Kind("parquet", _good_parquet, _in_memory))
register(Kind("parquet streamed", _good_parquet, _streamed, slow=True))
register(Kind("conversion", _converted, _bad_conversion))


# NumPy ------------------------------------------------------------------------------------------------------

_DTYPES = (
    "<f4",
    ">f8",
    "<i8",
    "|u1",
    "|b1",
    "<f2",
    "|O",
    "<U4",
    "<c8",
    "<M8[ns]",
    "|V8",
    "[('a', '<f4')]",
    "|S0",
)


def _header(random: Random) -> bytes:
    shape = tuple(
        random.choice((60, 5, 1, 0, -1, 2**31, 2**40, 2**62, 3))
        for _ in range(random.choice((0, 1, 2, 2, 2, 3, 40)))
    )
    kind = random.choice(_DTYPES)
    order = random.choice(("False", "True", "1", "None"))
    descr = kind if kind.startswith("[") else repr(kind)
    text = random.choice(
        (
            f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}",
            f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({2 ** random.randrange(70)},)}}",
            "{'descr': '<f4', 'shape': (1,)}",
            "[" * 3000,
            "{" * 200,
            "__import__('os').system('true')",
            "(" * 100 + ")" * 100,
            "{'descr': '<f4', 'fortran_order': False, 'shape': (60, 5), 'x': " + "-" * 4000 + "1}",
            "\\x00",
        )
    )
    data = text.encode() + b" " * random.choice((0, 1, 70)) + b"\n"
    version = random.choice(((1, 0), (1, 0), (2, 0), (3, 0), (9, 9)))
    size = struct.pack("<H", len(data) % 2**16) if version == (1, 0) else struct.pack("<I", len(data))
    return b"\x93NUMPY" + bytes(version) + size + data + bytes(random.choice((0, 4, 1200)))


def _array() -> np.ndarray[Any, Any]:
    values = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    values[:, -1] = values[:, 0] > 0
    return values


def _good_npy(folder: Path) -> Path:
    path = folder / "good.npy"
    np.save(path, _array())
    return path


def _bad_npy_bytes(random: Random, good: Path) -> bytes:
    what = random.random()
    if what < 0.4:
        return _header(random)
    data = good.read_bytes()
    if what < 0.5:
        return data[: random.randrange(len(data))]
    return mutated_bytes(random, data)


def _bad_npy(random: Random, good: Path, work: Path) -> Case:
    path = work / "bad.npy"
    path.write_bytes(_bad_npy_bytes(random, good))
    stream = random.choice((None, None, True))
    read = (
        lambda: summary(load(path, stream=stream)),
        lambda: summary(transform(None, path)),
        lambda: summary(load_windows(path, window=3)),
    )
    return Case(random.choice(read))


def _good_npz(folder: Path) -> Path:
    path = folder / "good.npz"
    values = _array()
    np.savez_compressed(path, X=values[:, :4], y=values[:, 4].astype(np.int64), sample_weight=np.ones(60))
    return path


def _bad_npz(random: Random, good: Path, work: Path) -> Case:
    path = work / "bad.npz"
    what = random.random()
    if what < 0.35:
        path.write_bytes(mutated_bytes(random, good.read_bytes()))
    else:
        with zipfile.ZipFile(
            path, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
        ) as out:
            npy = io.BytesIO()
            np.save(npy, _array()[:, :4])
            for name in random.choice(
                (("X", "y"), ("x", "target"), ("X",), ("../X", "y"), ("X", "y", "sample_weight"))
            ):
                out.writestr(f"{name}.npy", _bad_npy_bytes(random, good.parent / "inner.npy"))
            if random.random() < 0.5:
                out.writestr("inputs.npy", npy.getvalue())
    read = (lambda: summary(load(path)), lambda: summary(transform(None, path)))
    return Case(random.choice(read))


def _good_npz_and_inner(folder: Path) -> Path:
    np.save(folder / "inner.npy", _array()[:, 4].astype(np.int64))
    return _good_npz(folder)


register(Kind("npy", _good_npy, _bad_npy))
register(Kind("npz", _good_npz_and_inner, _bad_npz))


# Images -----------------------------------------------------------------------------------------------------

_FORMATS = ("png", "jpg", "bmp", "gif", "tif", "webp")


def _good_images(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (9, 8, 3), np.uint8)
    for kind in _FORMATS:
        Image.fromarray(pixels).save(folder / f"good.{kind}")
    Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(folder / "sixteen.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).save(folder / "turned.jpg", exif=exif)
    return folder


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _bomb(random: Random) -> tuple[str, bytes]:
    """A PNG file that claims very many pixels, or whose texts unfold to very many bytes."""
    side = random.choice((1, 9, 3000, 20_000, 2**31 - 1, 2**32 - 1, 0))
    head = struct.pack(
        ">IIBBBBB",
        side,
        random.choice((8, side)),
        random.choice((1, 8, 16)),
        random.choice((0, 2, 3, 6)),
        0,
        0,
        0,
    )
    zeros = zlib.compress(bytes(random.choice((10, 5_000_000))))
    text = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(20_000_000)))
    body = (
        _chunk(b"IHDR", head)
        + (text if random.random() < 0.3 else b"")
        + _chunk(b"IDAT", zeros)
        + _chunk(b"IEND", b"")
    )
    return "png", b"\x89PNG\r\n\x1a\n" + body


def _bad_images(random: Random, good: Path, work: Path) -> Case:
    kind, data = "png", b""
    sources = sorted(good.iterdir())
    if random.random() < 0.25:
        kind, data = _bomb(random)
    else:
        source = random.choice(sources)
        kind, data = source.suffix[1:], mutated_bytes(random, source.read_bytes())
        if random.random() < 0.1:
            kind = random.choice(_FORMATS)
    for name in ("a", random.choice(("b", "\x1b[2J", "..b", "<img>", "=1"))):
        (work / name).mkdir(exist_ok=True)
        (work / name / "good.png").write_bytes((good / "good.png").read_bytes())
        (work / name / "other.png").write_bytes((good / "good.png").read_bytes())
    place = work / "a" / f"bad.{kind}"
    if random.random() < 0.1:
        place.symlink_to(
            random.choice(("/dev/zero", "/etc/passwd", "../a", "bad.png", str(good / "good.png"), "/dev/tty"))
        )
    else:
        place.write_bytes(data)
    skip, resize = random.random() < 0.3, random.choice((None, (4, 4)))
    return Case(lambda: summary(load(work, skip_bad=skip, resize=resize)))


register(Kind("images", _good_images, _bad_images, slow=True))
