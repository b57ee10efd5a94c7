"""Options of the commands that train, by section of their help, and of those that read tables."""

from __future__ import annotations

from epochal.cli.options import Sections, but
from epochal.cli.param_types import (
    COLUMN,
    COLUMNS,
    DELIMITER,
    GROWTH,
    NA_VALUES,
    PATH,
    PIXELS,
    SIZES,
    UNITS,
    list_of,
)
from epochal.settings import ADVISE_DEFAULTS, COMPARE_DEFAULTS, DECLARED
from epochal.settings.option import Option
from epochal.settings.value_kinds import (
    ANY,
    BOOLEAN,
    FRACTION,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE,
    WORD,
    ValueKind,
    one_of,
    size,
    whole,
)

# fmt: off

# How samples are read ----------------------------------------------------------------------------------

READING = (
    Option("header", None, BOOLEAN, "Whether row 1 holds names. [detected]"),
    Option("delimiter", None, DELIMITER, "Field separator. [detected]", "CHAR"),
    Option("missing", None, NA_VALUES, "Cells that mean missing. [NA, ?, ...]", "VALUES"),
    Option("encoding", None, WORD, "Such as utf-8, cp1252 or gbk. [detected]", "NAME"),
    Option("skip_rows", None, whole(0), "Lines above the table. [detected]", "N"),
    Option("comment", None, WORD, "What comment lines begin with. [detected]", "PREFIX"),
    Option("sheet", None, COLUMN, "Sheet of a workbook, by name or number from 1.", "SHEET"),
)
"""How the table in a file is read."""

SKIP_BAD = Option("skip_bad", False, BOOLEAN, "Leave out images that can't be read, and count them.")
IMAGES = (
    Option("resize", None, PIXELS, "Bring images to this height and width, such as 64x64.", "HxW"),
    Option("color", None, BOOLEAN, "Read images as RGB or gray. [detected]", flag="color/--gray"),
    SKIP_BAD,
)
"""How a folder of images is read."""

TARGET = Option("target", None, COLUMN, "Name or number, from 1. [the last column]", "COLUMN", "t")

_DATA = (
    TARGET,
    "task",
    "validation",
    "test",
    Option("sample_weight", None, COLUMN, "The column with sample weights.", "COLUMN"),
    Option("groups", None, COLUMN, "The column of groups, which a split keeps whole.", "COLUMN"),
    Option("groups_from", None, WORD, r"Finds groups in file names, such as 's(\d+)_'.", "REGEX"),
    Option("groups_table", None, WORD, "A table of file names and their groups.", "FILE"),
    Option("drop", (), COLUMNS, "Columns to leave out.", "COLUMNS"),
    Option("keep", (), COLUMNS, "Columns to keep, whatever they look like.", "COLUMNS"),
    Option("categorical", (), COLUMNS, "Columns to read as categories.", "COLUMNS"),
    Option("numeric", (), COLUMNS, "Columns to read as numbers.", "COLUMNS"),
    Option("decimal", None, WORD, "Decimal separator, . or ,. [detected]", "SEPARATOR"),
    Option("date_format", None, WORD, "How dates are written: %d/%m/%Y. [detected]", "FORMAT"),
    "stream",
    "standardize",
    *IMAGES,
    *READING,
)

_WINDOW = Option("window", None, whole(1), "Forecast from windows of so many rows.", "ROWS")
WINDOWS = (
    Option("horizon", None, whole(1), "Rows ahead that are forecast. [1]", "ROWS"),
    Option("stride", None, whole(1), "Rows from one window to the next. [1]", "ROWS"),
    Option("time", None, COLUMN, "The time of each row. [detected]", "COLUMN"),
    Option("time_zone", None, WORD, "Of local times, such as Europe/Berlin.", "ZONE"),
    Option("series", None, COLUMN, "The column that names each row's series.", "COLUMN"),
    Option("relative", None, WORD, "difference or ratio: to the window's last value, for trends.", "HOW"),
    Option("fill", None, WORD, "forward: carry the last value onward where one is missing.", "HOW"),
    Option("period", None, whole(0), "A season, for the naive forecast; 0 for none.", "ROWS"),
    Option("across_gaps", False, BOOLEAN, "Let windows hold rows on both sides of a gap in time."),
)
"""How windows of a series are cut."""

TOKENS = (
    Option("tokenizer", None, WORD, "words or bpe (pieces of words). [by the language]", "NAME"),
    Option("vocabulary", None, whole(3), "Distinct tokens, at most. [20000]", "TOKENS"),
    Option("max_length", None, whole(1), "Tokens of a text, at most. [as 99 % of texts have]", "TOKENS"),
)
"""How texts are read."""

_TEXT = Option("text", None, COLUMN, "The column with texts, which are the inputs.", "COLUMN")

_SOURCES: Sections = {
    "Data": _DATA,
    "Time series": (_WINDOW, *WINDOWS, "split", "gap"),
    "Texts": (_TEXT, *TOKENS),
}

_RANKING = (
    Option(
        "rank_by", None, COLUMN, "Learn to rank the rows of each group: pairs of rows are samples.",
        "COLUMN"),
    Option("rank_best", None, WORD, "lowest (ranks) or highest (scores) is ahead. [lowest]", "WHICH"),
    Option("max_pairs", None, whole(1), "Pairs of one group, at most. [all]", "N"),
)


# Networks ----------------------------------------------------------------------------------------------

_PARTS = (
    Option("filters", None, UNITS, "cnn: filters of each convolution. [32,64]", "LIST"),
    Option("kernel", None, whole(1), "cnn: the size of its windows. [3]", "K"),
    Option("pool", None, whole(1), "cnn: max pooling after each, 1 for none. [2]", "P"),
    Option("dense", None, UNITS, 'cnn: units of its dense layers, "" for none. [128]', "LIST"),
    Option("units", None, whole(1), "lstm, gru, text: size of the state. [64]", "U"),
    Option("layers", None, whole(1), "lstm, gru: stacked layers. [1]", "L"),
    Option("embedding", None, whole(1), "text: size of a token's embedding. [64]", "D"),
    Option("text_by", None, WORD, "text: how tokens are combined: mean, gru or lstm. [mean]", "NAME"),
    Option("dropout", 0.0, FRACTION, "Hidden units set to zero in an update.", "FRACTION"),
    Option("batch_norm", False, BOOLEAN, "Normalize hidden layers over the batch."),
    Option("model", None, WORD, "A model of your own: function(inputs, outputs).", "MODULE:FUNCTION"),
)
NETWORKS = ("mlp", "cnn", "lstm", "gru", "text")
_NETWORK = (
    Option(
        "network", None, ValueKind(ANY.check, names=NETWORKS),
        "mlp, cnn, lstm, gru or text. [by the samples' shape]", "NAME"),
    Option("hidden", None, UNITS, 'mlp: units of its layers, "" for none. [64,64]', "UNITS"),
    Option("activation", None, WORD, "mlp, cnn: activation function. [relu]", "NAME"),
    *_PARTS,
)


# What is done and written --------------------------------------------------------------------------------

_PACE = (
    Option("warmup", 0, whole(0), "Updates over which the rate rises.", "UPDATES"),
    Option("step_every", None, whole(1), 'For "step" and "exponential": updates between steps.', "UPDATES"),
    Option(
        "schedule_floor", 0.0, FRACTION, 'For "cosine" and "linear": fraction of the rate at which they end.',
        "FRACTION"),
    Option(
        "step_factor", 0.1, POSITIVE, 'For "step" and "exponential": the rate is multiplied by it.',
        "FACTOR"),
)
_GRADIENT = ("weight_decay", "clip_norm", "gradient_noise")
_LOSS = ("loss", "label_smoothing", "class_weight")
GROW = Option(
    "grow_batch", None, GROWTH,
    'Other batch sizes after so many epochs, such as 30:128,60:full; or "5000 updates:128".', "E:B,...")
BLOCK = Option("block_length", None, whole(1), 'For "blocks": samples that stay together.', "N")
_STOPPING = (
    Option("patience", None, POSITIVE, "Stop after so many without improvement.", "EPOCHS"),
    Option("min_delta", None, NOT_NEGATIVE, "For --patience: what counts as improvement.", "X"),
    Option("min_epochs", None, NOT_NEGATIVE, "For --patience: not before that epoch.", "EPOCHS"),
    Option("target_value", None, NUMBER, "Stop when the monitored metric reaches V.", "V"),
    Option("max_seconds", None, POSITIVE, "Training time of a repeat, at most.", "SECONDS"),
    Option("max_updates", None, whole(1), "Updates of a repeat, at most.", "UPDATES"),
    Option("stop_gl", None, POSITIVE, "Prechelt's GL: generalization loss, in %.", "ALPHA"),
    Option("stop_pq", None, POSITIVE, "Prechelt's PQ: generalization loss over progress.", "ALPHA"),
    Option("stop_up", None, whole(1), "Prechelt's UP: successive rises.", "STRIPS"),
)

STOPPED_BY = {"stop_gl": "generalization_loss", "stop_pq": "progress_quotient", "stop_up": "rising_strips"}
"""Rules of `stopping.RULES` that one number makes, by their options."""

KEPT = (
    Option("checkpoint_every", None, WORD, "Such as 60s, 500updates or 1epoch. [60s]", "INTERVAL"),
    Option(
        "keep_checkpoints", None, whole(1), "Keep every M-th checkpoint, besides the last two and the best.",
        "M"),
    Option(
        "on_checkpoint_error", None, one_of("choice", ("stop", "continue")),
        "When a checkpoint can't be written: stop or continue. [stop]", "stop|continue"),
)
"""How often a training is kept."""

RAY = Option("ray", None, WORD, "Train on the nodes of a Ray cluster: auto or HOST:PORT.", "ADDRESS")
HOSTS = (
    Option(
        "distributed", False, BOOLEAN,
        "Train together with all that Slurm, Open MPI, Kubernetes or a TPU pod has started."),
    Option("coordinator", None, WORD, "Address of process 0.", "HOST:PORT"),
    Option("process_id", None, whole(), "Number of this process, from 0.", "I"),
    Option("processes", None, whole(), "Total number of processes.", "N"),
)
JSON = Option("as_json", False, BOOLEAN, "One JSON object on stdout, all else on stderr.", flag="json")
QUIET = Option("quiet", False, BOOLEAN, "Nothing but the result.", short="q")
OF_RUN = (
    Option("force", False, BOOLEAN, "Write over a file that exists."),
    Option("parameters", "best", WORD, "Which the run has kept.", "best|last"),
    Option(
        "model", None, WORD,
        "The model of your own that the run was trained with: a run folder's own is never imported.",
        "MODULE:FUNCTION"),
)
"""What is asked of a run that reads new data."""
_PRINTED = (Option("no_report", False, BOOLEAN, "Without report.html in it."), JSON, QUIET)
_CONFIG = (
    Option("config", None, PATH, "Options in a TOML file; those given here win.", "FILE"),
    Option("save_config", None, PATH, "Write the options that are given to a TOML file.", "FILE"),
)

TRAIN: Sections = {
    **_SOURCES,
    "Ranking": _RANKING,
    "Model": _NETWORK,
    "Training": (
        *("batch_size", "micro_batch", "epochs", "updates_per_epoch", GROW, "repeats", "devices", "seed"),
        *("optimizer", "learning_rate", "optimizer_options", "schedule", *_PACE, *_GRADIENT, "augment"),
        *("precision", "deterministic", "initial"),
        Option(
            "reinitialize", (), DECLARED["freeze"].kind,
            "With --initial: parameters to initialize at random instead.", "PATTERN"),
        *("freeze", *_LOSS, "order", "stateful", BLOCK, "remainder", "vary"),
    ),
    "Stopping": _STOPPING,
    "Evaluation": ("metrics", "monitor", "threshold", "evaluate_every", "evaluate_train"),
    "Output": (Option("out", None, PATH, "The run folder. [a new one in runs/]", "FOLDER", "o"), *_PRINTED),
    "Checkpoints": KEPT,
    "Machines": (RAY,),
    "Several hosts": HOSTS,
    "Options": _CONFIG,
}

_HELD_OUT: Sections = {
    **_SOURCES,
    "Data": tuple(
        {
            "validation": but(
                "validation", "Held out to compare by: 0.2 or 20% of the rows, 20 rows, or a file."),
            "test": but("test", "Held out and never used by this command; same forms as --validation."),
        }.get(str(one), one)
        for one in _DATA
    ),
}
_TARGET_VALUE = Option("target_value", None, NUMBER, "The monitored metric to reach. [measured]", "VALUE")
_FOLDER = Option("out", None, PATH, "The folder of the results. [new, in runs/]", "FOLDER", "o")
_CHOSEN = ("precision", "deterministic", *_LOSS)

COMPARE: Sections = {
    **_HELD_OUT,
    "Grid": (
        but(
            "batch_size",
            f"Of whole numbers and full; 32 where only others vary. "
            f"[{','.join(map(str, COMPARE_DEFAULTS['batch_size']))}]",
            kind=list_of(size("full"), "1,32,full"), metavar="LIST"),
        but(
            "learning_rate", "Numbers; tune finds one for each setting.",
            default=COMPARE_DEFAULTS["learning_rate"], kind=list_of(POSITIVE, "0.01,0.03", ("tune",)),
            metavar="LIST"),
        but(
            "optimizer", "sgd, momentum, nesterov, adam and more.", kind=list_of(WORD, "sgd,adam"),
            metavar="LIST"),
        but(
            "epochs", f"Passes through the training samples. [{COMPARE_DEFAULTS['epochs']}]", default=None,
            kind=list_of(whole(1), "20,50"), metavar="LIST"),
        but("schedule", "constant, cosine, step.", kind=list_of(WORD, "constant,cosine"), metavar="LIST"),
        but(
            "order", "As for train, except blocks.",
            kind=list_of(WORD, "shuffle,sequential"), metavar="LIST"),
        but("remainder", "keep, drop, spread, carry.", kind=list_of(WORD, "keep,drop"), metavar="LIST"),
        Option(
            "hidden", None, SIZES, "mlp: units of its layers; give it again for another network. [64,64]",
            "UNITS"),
        Option(
            "activation", None, list_of(WORD, "relu,tanh"), "mlp, cnn: activation function. [relu]", "LIST"),
        Option("budget", "epochs", WORD, "Equal epochs, samples, updates, seconds; or 100updates.", "BUDGET"),
    ),
    "Model": (
        Option(
            "network", None, list_of(WORD, "mlp,lstm"), "mlp, cnn, lstm, gru, text. [by the samples' shape]",
            "LIST"),
        *_PARTS,
    ),
    "Training": (
        but("repeats", "Trainings of each setting, on the same seeds.", default=COMPARE_DEFAULTS["repeats"]),
        *("seed", "optimizer_options", *_PACE, *_GRADIENT, *_CHOSEN, "vary"),
    ),
    "Evaluation": (
        *("metrics", "monitor", _TARGET_VALUE),
        Option(
            "margin", None, NUMBER, "Smallest difference that matters. [a fifth of the sd over repeats]",
            "D"),
    ),
    "Machines": (RAY,),
    "Output": (
        _FOLDER,
        Option(
            "yes", False, BOOLEAN, "Start without confirmation even if it takes more than an hour.",
            short="y"),
        *_PRINTED,
    ),
    "Options": _CONFIG,
}

ADVISE: Sections = {
    **_HELD_OUT,
    "Model": _NETWORK,
    "Training": (
        Option(
            "goal", "quality", WORD, "quality; or the least time, samples or updates to a good model.",
            "GOAL", "g"),
        but("batch_size", "Keep this one. [searched]"),
        but("learning_rate", "Keep this one. [searched]"),
        but(
            "epochs", f"Maximum number of epochs; trainings stop early. [{ADVISE_DEFAULTS['epochs']}]",
            default=None),
        but(
            "repeats", "Repeats of the search; the result is checked on at least 10 more. "
            f"[{ADVISE_DEFAULTS['repeats']}]", default=None),
        *("seed", "optimizer", "optimizer_options", *_GRADIENT, *_CHOSEN),
        but("order", "As for train, except blocks."),
        *("remainder", "vary"),
    ),
    "Evaluation": ("metrics", "monitor", _TARGET_VALUE),
    "Machines": (RAY,),
    "Output": (
        Option("train", False, BOOLEAN, "Train at once as advised, into a run folder."),
        Option("all_data", False, BOOLEAN, "For the training: without validation samples."),
        _FOLDER,
        *_PRINTED,
    ),
    "Options": _CONFIG,
}
