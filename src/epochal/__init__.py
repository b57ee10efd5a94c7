"""epochal trains neural networks by mini-batch gradient descent, exactly, fast and honestly.

    import epochal as ep

    plan = ep.Plan(samples=200, batch_size=5, epochs=1000)   # 40 batches per epoch, 40,000 updates
    run = ep.fit(ep.MLP(64, 64), (X, y), batch_size=32, epochs=150, repeats=5)
    run.curves.plot(); run.verdict; run.predict(X_new); run.report("report.html")
    ep.compare(ep.MLP(64, 64), (X, y), batch_size=[1, 8, 32, 128, "full"])
    ep.advise(ep.MLP(64, 64), (X, y))

Names are imported when they are first used, so that a plan can be made without waiting for JAX.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from epochal.common.version import VERSION
from epochal.common.views import register
from epochal.report import VIEWS

_HOMES = {
    "BatchSchedule": "epochal.plan",
    "Plan": "epochal.plan",
    "Turn": "epochal.plan",
    "Balanced": "epochal.plan",
    "Blocks": "epochal.plan",
    "Buckets": "epochal.plan",
    "Groups": "epochal.plan",
    "Stratified": "epochal.plan",
    "Weighted": "epochal.plan",
    "Order": "epochal.plan",
    "Replacement": "epochal.plan",
    "HostLost": "epochal.errors",
    "DataFailed": "epochal.errors",
    "Refusal": "epochal.errors",
    "SaveFailed": "epochal.errors",
    "join": "epochal.training.hosts.joining",
    "Dataset": "epochal.data",
    "Task": "epochal.data",
    "load_data": "epochal.data",
    "text": "epochal.data.texts.texts",
    "rank_pairs": "epochal.data",
    "windows": "epochal.data",
    "MLP": "epochal.models",
    "CNN": "epochal.nn",
    "GRU": "epochal.nn",
    "LSTM": "epochal.nn",
    "TextClassifier": "epochal.nn",
    "nn": "epochal",
    "Model": "epochal.models",
    "metric": "epochal.models",
    "Pairwise": "epochal.models",
    "Variables": "epochal.models",
    "functions": "epochal.models",
    "Initial": "epochal.models.starts",
    "Shift": "epochal.models.augment",
    "Rotate": "epochal.models.augment",
    "Flip": "epochal.models.augment",
    "Crop": "epochal.models.augment",
    "Contrast": "epochal.models.augment",
    "Brightness": "epochal.models.augment",
    "Schedule": "epochal.engine.schedules",
    "Settings": "epochal.settings",
    "Curves": "epochal.curves",
    "Summary": "epochal.curves",
    "Verdict": "epochal.curves",
    "Budget": "epochal.stopping",
    "GeneralizationLoss": "epochal.stopping",
    "Patience": "epochal.stopping",
    "Productivity": "epochal.stopping",
    "RisingStrips": "epochal.stopping",
    "Target": "epochal.stopping",
    "all_of": "epochal.stopping",
    "any_of": "epochal.stopping",
    "Evaluated": "epochal.training.events",
    "Progressed": "epochal.training.events",
    "RepeatEnded": "epochal.training.events",
    "RunEnded": "epochal.training.events",
    "RunStarted": "epochal.training.events",
    "Evaluation": "epochal.runs",
    "Prediction": "epochal.runs",
    "Run": "epochal.runs",
    "load": "epochal.runs",
    "Advice": "epochal.choose.advice",
    "advise": "epochal.choose.advise",
    "Comparison": "epochal.choose.comparison",
    "compare": "epochal.choose.compare",
    "WordVectors": "epochal.applications.word_vectors",
    "word_vectors": "epochal.applications.word_vectors",
    "Checkpointed": "epochal.training.events",
    "Resumed": "epochal.training.events",
    "Noted": "epochal.training.events",
    "Unsaved": "epochal.training.events",
    "RunFolder": "epochal.runs.home",
    "Control": "epochal.training.loop",
    "fit": "epochal.training.train",
    "train": "epochal.training.train",
    "resume": "epochal.training.resume",
}

__all__ = [*sorted(_HOMES), "__version__"]

__version__ = VERSION

register(
    {
        "comparison_text": "epochal.choose.comparison_table:text",
        "evaluate": "epochal.runs.evaluate:evaluate",
        "evaluation_text": "epochal.runs.evaluation_text:text",
        "predict": "epochal.runs.predict:predict",
        "rank": "epochal.runs.predict:rank",
        "save": "epochal.runs.saving:save",
        **VIEWS,
    }
)

if TYPE_CHECKING:
    from epochal import nn
    from epochal.applications.word_vectors import WordVectors, word_vectors
    from epochal.choose.advice import Advice
    from epochal.choose.advise import advise
    from epochal.choose.compare import compare
    from epochal.choose.comparison import Comparison
    from epochal.curves import Curves, Summary, Verdict
    from epochal.data import Dataset, Task, rank_pairs, windows
    from epochal.data import load as load_data
    from epochal.data.texts.texts import text
    from epochal.engine.schedules import Schedule
    from epochal.errors import DataFailed, HostLost, Refusal, SaveFailed
    from epochal.models import MLP, Model, Pairwise, Variables, functions, metric
    from epochal.models.augment import Brightness, Contrast, Crop, Flip, Rotate, Shift
    from epochal.models.starts import Initial
    from epochal.nn import CNN, GRU, LSTM, TextClassifier
    from epochal.plan import (
        Balanced,
        BatchSchedule,
        Blocks,
        Buckets,
        Groups,
        Order,
        Plan,
        Replacement,
        Stratified,
        Turn,
        Weighted,
    )
    from epochal.runs import Evaluation, Prediction, Run, load
    from epochal.runs.home import RunFolder
    from epochal.settings import Settings
    from epochal.stopping import (
        Budget,
        GeneralizationLoss,
        Patience,
        Productivity,
        RisingStrips,
        Target,
        all_of,
        any_of,
    )
    from epochal.training.events import (
        Checkpointed,
        Evaluated,
        Noted,
        Progressed,
        RepeatEnded,
        Resumed,
        RunEnded,
        RunStarted,
        Unsaved,
    )
    from epochal.training.hosts.joining import join
    from epochal.training.loop import Control
    from epochal.training.resume import resume
    from epochal.training.train import fit, train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'epochal' has no attribute {name!r}")
    if _HOMES[name] == __name__:
        return importlib.import_module(f"{__name__}.{name}")
    home = importlib.import_module(_HOMES[name])
    value = getattr(home, "load" if name == "load_data" else name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
