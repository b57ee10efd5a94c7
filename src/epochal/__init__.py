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

from epochal import report
from epochal.common import late_bound
from epochal.common.version import VERSION

_NAMES = {
    "epochal": "nn",
    "epochal.errors": "DataFailed ProcessLost Refusal SaveFailed",
    "epochal.settings": "Settings",
    "epochal.plan": "Balanced BatchSchedule Blocks Buckets Groups "
    "Order Plan Replacement Stratified SampleUse Weighted",
    "epochal.data": "Dataset load_data load_rank_pairs Task load_windows",
    "epochal.data.texts.texts": "load_texts",
    "epochal.models": "metric MLP Model model_from_functions Pairwise Variables",
    "epochal.models.initial": "Initial",
    "epochal.models.augment": "Brightness Contrast Crop Flip Rotate Shift",
    "epochal.nn": "CNN GRU LSTM TextClassifier",
    "epochal.engine.schedules": "Schedule",
    "epochal.curves": "Curves Summary Verdict",
    "epochal.stopping": "all_of any_of Budget GeneralizationLoss Patience ProgressQuotient "
    "RisingStrips TargetValue",
    "epochal.training.events": "Checkpointed CheckpointFailed ClusterNote Evaluated Progressed "
    "RepeatEnded Resumed RunEnded RunStarted",
    "epochal.training.processes.distributed": "init_distributed",
    "epochal.training.loop": "StopSignal",
    "epochal.training.resume": "resume",
    "epochal.training.train": "fit train",
    "epochal.runs": "Evaluation load Prediction Run",
    "epochal.runs.run_folder": "SaveOptions",
    "epochal.choose.advice.advice": "Advice",
    "epochal.choose.advice.advise": "advise",
    "epochal.choose.comparison.compare": "compare",
    "epochal.choose.comparison.comparison": "Comparison",
    "epochal.applications.word_vectors": "word_vectors WordVectors",
}
"""The public names by the module that has them."""

_HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}

__all__ = [*sorted(_HOMES), "__version__"]

__version__ = VERSION

late_bound.FUNCTIONS.update(
    {
        "comparison_text": "epochal.choose.comparison.sentences:text",
        "evaluate": "epochal.runs.evaluate:evaluate",
        "evaluation_text": "epochal.runs.evaluation_text:text",
        "predict": "epochal.runs.predict:predict",
        "rank": "epochal.runs.predict:rank",
        "save": "epochal.runs.saving:save",
        **report.VIEWS,
    }
)

if TYPE_CHECKING:
    from epochal import nn as nn
    from epochal.applications.word_vectors import WordVectors as WordVectors, word_vectors as word_vectors
    from epochal.choose.advice.advice import Advice as Advice
    from epochal.choose.advice.advise import advise as advise
    from epochal.choose.comparison.compare import compare as compare
    from epochal.choose.comparison.comparison import Comparison as Comparison
    from epochal.curves import Curves as Curves, Summary as Summary, Verdict as Verdict
    from epochal.data import (
        Dataset as Dataset,
        Task as Task,
        load as _load,
        load_rank_pairs as load_rank_pairs,
        load_windows as load_windows,
    )
    from epochal.data.texts.texts import load_texts as load_texts
    from epochal.engine.schedules import Schedule as Schedule
    from epochal.errors import (
        DataFailed as DataFailed,
        ProcessLost as ProcessLost,
        Refusal as Refusal,
        SaveFailed as SaveFailed,
    )
    from epochal.models import (
        MLP as MLP,
        Model as Model,
        Pairwise as Pairwise,
        Variables as Variables,
        metric as metric,
        model_from_functions as model_from_functions,
    )
    from epochal.models.augment import (
        Brightness as Brightness,
        Contrast as Contrast,
        Crop as Crop,
        Flip as Flip,
        Rotate as Rotate,
        Shift as Shift,
    )
    from epochal.models.initial import Initial as Initial
    from epochal.nn import CNN as CNN, GRU as GRU, LSTM as LSTM, TextClassifier as TextClassifier
    from epochal.plan import (
        Balanced as Balanced,
        BatchSchedule as BatchSchedule,
        Blocks as Blocks,
        Buckets as Buckets,
        Groups as Groups,
        Order as Order,
        Plan as Plan,
        Replacement as Replacement,
        SampleUse as SampleUse,
        Stratified as Stratified,
        Weighted as Weighted,
    )
    from epochal.runs import Evaluation as Evaluation, Prediction as Prediction, Run as Run, load as load
    from epochal.runs.run_folder import SaveOptions as SaveOptions
    from epochal.settings import Settings as Settings
    from epochal.stopping import (
        Budget as Budget,
        GeneralizationLoss as GeneralizationLoss,
        Patience as Patience,
        ProgressQuotient as ProgressQuotient,
        RisingStrips as RisingStrips,
        TargetValue as TargetValue,
        all_of as all_of,
        any_of as any_of,
    )
    from epochal.training.events import (
        Checkpointed as Checkpointed,
        CheckpointFailed as CheckpointFailed,
        ClusterNote as ClusterNote,
        Evaluated as Evaluated,
        Progressed as Progressed,
        RepeatEnded as RepeatEnded,
        Resumed as Resumed,
        RunEnded as RunEnded,
        RunStarted as RunStarted,
    )
    from epochal.training.loop import StopSignal as StopSignal
    from epochal.training.processes.distributed import init_distributed as init_distributed
    from epochal.training.resume import resume as resume
    from epochal.training.train import fit as fit, train as train

    load_data = _load


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
