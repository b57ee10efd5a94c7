"""epochal words: word vectors learned from a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import Command
from epochal.cli.files import check_new_file, replacing
from epochal.cli.flags import JSON, QUIET
from epochal.cli.interrupts import stopping
from epochal.cli.options import DATA, Sections, but, flags
from epochal.cli.output import echo, echo_json
from epochal.cli.param_types import PATH, TEXTS
from epochal.cli.train import show_events
from epochal.settings.option import Option
from epochal.settings.value_kinds import BOOLEAN, number_in_range, whole

if TYPE_CHECKING:
    from epochal.applications.word_vectors import WordVectors
    from epochal.cli.screen import Screen

_OPTIONS: Sections = {
    "Text": (
        Option("window", 5, whole(1), "To a context, at most.", "WORDS"),
        Option("min_count", None, whole(1), "Rarer words are left out. [5, or 1 in a small text]", "N"),
        Option(
            "subsample",
            None,
            number_in_range("a fraction between 0 and 1", lambda fraction: 0 <= fraction <= 1),
            "Words with a larger one are thinned out; 0 for none. [0.001]",
            "FRACTION",
        ),
        Option("keep_case", False, BOOLEAN, "Without lowercasing."),
    ),
    "Training": (
        Option("dimensions", 100, whole(1), "Of a vector.", "D", "d"),
        Option("negatives", 5, whole(1), "Noise words for each pair.", "K"),
        but("batch_size", 'Pairs of one update, or "full". [1024, or fewer in a small text]'),
        but("epochs", "Passes through the pairs.", default=5),
        but("optimizer", "As for train.", default="adagrad"),
        *("learning_rate", but("order", "As for train."), "remainder"),
        but("seed", "Of pairs, order and noise."),
    ),
    "Output": (
        Option("out", Path("vectors.txt"), PATH, "Text as word2vec writes it, or .safetensors.", "FILE", "o"),
        Option("force", False, BOOLEAN, "Write over a file that exists."),
        Option("nearest", (), TEXTS, "Show the words near it; may be repeated.", "WORD"),
        *(JSON, QUIET),
    ),
}


@click.command("words", cls=Command)
@click.argument("corpus", type=DATA)
@flags(_OPTIONS)
@click.pass_context
def command(ctx: click.Context, /, corpus: str, out: Path, as_json: bool, quiet: bool, **given: Any) -> None:
    """Learn a vector for each word of CORPUS, a text in UTF-8 with a sentence a line.

    Skip-gram with negative sampling: a sample is a pair of a word and another within its window.

    \b
    epochal words corpus.txt --out vectors.txt --dimensions 50 --nearest king
    """
    check_new_file(out, given["force"])
    from epochal.cli.screen import Screen

    screen = Screen(quiet=quiet, to_stderr=as_json)
    vectors = _learn(corpus, given, screen)
    with replacing(out) as partial:
        vectors.save(partial)
    found = {word: vectors.nearest(word, 5) for word in given["nearest"]}
    run = vectors.run
    assert run is not None
    if as_json:
        from epochal.data.records import plain

        document = {
            "out": str(out),
            "words": len(vectors),
            "dimensions": vectors.dimensions,
            "plan": run.plan.to_dict(),
            "notes": run.data["notes"],
            "losses": run.curves.columns["train.loss"].tolist(),
            "nearest": {word: dict(near) for word, near in found.items()},
            "stopped": run.outcomes[0].stopped,
            "settings": run.settings,
            "environment": run.environment,
            "interrupted": run.interrupted,
        }
        echo_json(plain(document))
    elif quiet:
        echo(str(out))
    else:
        screen.console.print()
        lines = [
            f"near {word}: " + ", ".join(f"{one} {cosine:.2f}" for one, cosine in near)
            for word, near in found.items()
        ]
        lines.append(f"wrote {len(vectors):,} words × {vectors.dimensions:,} dimensions to {out}")
        lines.append(f"stopped: {run.outcomes[0].stopped}")
        screen.console.print("\n".join(lines), soft_wrap=True)
    ctx.exit(130 if run.interrupted else 0)


def _learn(corpus: str, given: dict[str, Any], screen: Screen) -> WordVectors:
    from epochal.applications.word_vectors.corpus import check_word
    from epochal.applications.word_vectors.learn import Learning
    from epochal.training.loop import StopSignal
    from epochal.training.train import train

    text = ("dimensions", "window", "negatives", "min_count", "subsample", "batch_size", "seed")
    learning = Learning.of(corpus, lowercase=not given["keep_case"], **{name: given[name] for name in text})
    for word in given["nearest"]:
        check_word(word, learning.corpus.words)
    taken = ("epochs", "optimizer", "learning_rate", "order", "remainder")
    options, stop_signal = learning.options(**{name: given[name] for name in taken}), StopSignal()
    events = train(learning.model, learning.dataset, stop_signal=stop_signal, **options)
    with stopping(stop_signal, screen.anything_learned):
        return learning.vectors(show_events(events, stop_signal, screen).run)
