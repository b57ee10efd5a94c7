"""Example data sets.

scikit-learn's tables are read from its installed files: importing its loaders takes over two seconds, reading
a file a few milliseconds. Generated ones use NumPy's frozen RandomState stream.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pc_csv
from numpy.typing import NDArray

from epochal.errors import Refusal, did_you_mean

_NUCLEUS = (
    "radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points",
    "symmetry", "fractal dimension",
)  # fmt: skip
_FIGURES = ("mean {}", "{} error", "worst {}")
_BREAST_CANCER = tuple(figure.format(name) for figure in _FIGURES for name in _NUCLEUS)
_IRIS = ("sepal length (cm)", "sepal width (cm)", "petal length (cm)", "petal width (cm)")
_WINE = (
    "alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids",
    "nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines",
    "proline",
)  # fmt: skip
_DIABETES = ("age", "sex", "bmi", "bp", "s1", "s2", "s3", "s4", "s5", "s6")
_DIGITS = tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8))


def example(name: str) -> tuple[pa.Table, tuple[str, ...]]:
    """The table called `name`with its target in the last column, and a note on its origin.

    >>> example("iris")[0].shape
    (150, 5)
    """
    if name not in EXAMPLES:
        raise Refusal(did_you_mean("example", name, EXAMPLES))
    build, note = EXAMPLES[name]
    return build(), (f"example:{name}: {note}.",)


def write_example(name: str, path: str | Path) -> None:
    """Write an example as a CSV file with a header; an existing file is refused."""
    table, _ = example(name)
    file = Path(path)
    if file.exists():
        raise Refusal(f"{path} exists already; name another file with `out=PATH`.")
    if not file.parent.is_dir():
        raise Refusal(f"{path} can't be written: there is no folder {file.parent}.")
    temporary = file.with_name(file.name + ".partial")
    try:
        pc_csv.write_csv(table, temporary, pc_csv.WriteOptions(quoting_style="needed"))
        temporary.replace(file)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Refusal(f"{path} can't be written: {error.strerror or error}.") from error


def _bundled(file: str, skip: int = 0, delimiter: str = ",") -> NDArray[np.float64]:
    spec = importlib.util.find_spec("sklearn")
    assert spec is not None and spec.origin is not None
    table = pc_csv.read_csv(
        Path(spec.origin).parent / "datasets" / "data" / file,
        read_options=pc_csv.ReadOptions(autogenerate_column_names=True, skip_rows=skip),
        parse_options=pc_csv.ParseOptions(delimiter=delimiter),
    )
    return np.column_stack([column.to_numpy() for column in table.columns])


def _table(names: tuple[str, ...], inputs: NDArray[np.float64], name: str, targets: pa.Array) -> pa.Table:
    columns = [
        pa.array(column.astype(np.int64) if np.all(column == np.floor(column)) else column)
        for column in inputs.T
    ]
    return pa.Table.from_arrays([*columns, targets], names=[*names, name])


def _classes(
    file: str, names: tuple[str, ...], target: str, classes: tuple[str, ...], skip: int = 1
) -> pa.Table:
    data = _bundled(file, skip)
    words = pa.array([classes[int(value)] for value in data[:, -1]])
    return _table(names, data[:, :-1], target, words)


def _diabetes() -> pa.Table:
    inputs = _bundled("diabetes_data_raw.csv.gz", delimiter=" ")
    targets = _bundled("diabetes_target.csv.gz")[:, 0]
    return _table(_DIABETES, inputs, "progression", pa.array(targets))


def _points(inputs: NDArray[np.float64], labels: NDArray[np.int64], classes: tuple[str, ...]) -> pa.Table:
    order = np.random.RandomState(7).permutation(len(inputs))
    words = pa.array([classes[label] for label in labels[order]])
    return _table(("x", "y"), np.round(inputs[order], 6), "class", words)


def _blobs() -> pa.Table:
    random = np.random.RandomState(1)
    centers = np.array([[-2.0, -1.5], [2.0, -1.0], [0.0, 2.0]])
    labels = np.repeat(np.arange(3), 200)
    return _points(centers[labels] + random.normal(0, 1.0, (600, 2)), labels, ("red", "green", "blue"))


def _moons() -> pa.Table:
    random = np.random.RandomState(2)
    angle = np.linspace(0, np.pi, 250)
    outer = np.column_stack([np.cos(angle), np.sin(angle)])
    inner = np.column_stack([1 - np.cos(angle), 0.5 - np.sin(angle)])
    inputs = np.concatenate([outer, inner]) + random.normal(0, 0.2, (500, 2))
    return _points(inputs, np.repeat(np.arange(2), 250), ("outer", "inner"))


def _spirals() -> pa.Table:
    random = np.random.RandomState(3)
    turn = np.sqrt(np.linspace(0.02, 1, 400))
    angles = [start + turn * 3 * np.pi for start in (0.0, np.pi)]
    parts = [np.column_stack([turn * np.cos(angle), turn * np.sin(angle)]) for angle in angles]
    inputs = np.concatenate(parts) + random.normal(0, 0.03, (800, 2))
    return _points(inputs, np.repeat(np.arange(2), 400), ("left", "right"))


EXAMPLES: dict[str, tuple[Callable[[], pa.Table], str]] = {
    "breast-cancer": (
        partial(_classes, "breast_cancer.csv", _BREAST_CANCER, "diagnosis", ("malignant", "benign")),
        "569 tumors of the breast, from scikit-learn (UCI, Wisconsin)",
    ),
    "digits": (
        partial(_classes, "digits.csv.gz", _DIGITS, "digit", tuple("0123456789"), skip=0),
        "1,797 handwritten digits of 8 by 8 pixels, from scikit-learn (UCI)",
    ),
    "diabetes": (_diabetes, "442 patients, progression after a year, from scikit-learn (Efron et al. 2004)"),
    "iris": (
        partial(_classes, "iris.csv", _IRIS, "species", ("setosa", "versicolor", "virginica")),
        "150 flowers, from scikit-learn (Fisher 1936)",
    ),
    "wine": (
        partial(_classes, "wine_data.csv", _WINE, "cultivar", ("class_0", "class_1", "class_2")),
        "178 wines, from scikit-learn (UCI)",
    ),
    "blobs": (_blobs, "600 points around three centers, generated"),
    "moons": (_moons, "500 points on two half circles with noise 0.2, generated"),
    "spirals": (_spirals, "800 points on two spirals with noise 0.03, generated"),
}
