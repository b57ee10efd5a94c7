"""epochal words: word vectors learned from a text."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from epochal.cli.command import Command, under
from epochal.cli.files import check_new_file, replacing
from epochal.cli.interrupts import stopping
from epochal.cli.options import POSITIVE, BatchSize, Number, Whole, decorate
from epochal.cli.say import say, say_document

if TYPE_CHECKING:
    from epochal.applications.word_vectors import WordVectors
    from epochal.cli.screen import Screen

__all__ = ["command"]

_text = under("Text")
_training = under("Training")
_output = under("Output")


_options = decorate(
    _text(
        "--window",
        type=Whole(1),
        default=5,
        show_default=True,
        metavar="WORDS",
        help="To a context, at most.",
    ),
    _text(
        "--min-count",
        type=Whole(1),
        metavar="N",
        help="Rarer words are left out. [5, or 1 in a small text]",
    ),
    _text(
        "--subsample",
        type=Number("a share between 0 and 1", lambda share: 0 <= share <= 1),
        metavar="SHARE",
        help="Words with a larger one are thinned out; 0 for none. [0.001]",
    ),
    _text("--keep-case", is_flag=True, help="Without lowercasing."),
    _training(
        "--dimensions", "-d", type=Whole(1), default=100, show_default=True, metavar="D", help="Of a vector."
    ),
    _training(
        "--negatives",
        type=Whole(1),
        default=5,
        show_default=True,
        metavar="K",
        help="Noise words for each pair.",
    ),
    _training(
        "--batch-size",
        "-b",
        type=BatchSize(),
        metavar="B",
        help='Pairs of one update, or "full". [1024, or fewer in a small text]',
    ),
    _training(
        "--epochs",
        "-e",
        type=Whole(1),
        default=5,
        show_default=True,
        metavar="E",
        help="Passes through the pairs.",
    ),
    _training("--optimizer", default="adagrad", show_default=True, metavar="NAME", help="As for train."),
    _training("--learning-rate", "-l", type=POSITIVE, metavar="RATE", help="Learning rate. [the usual one]"),
    _training("--order", default="shuffle", show_default=True, metavar="NAME", help="As for train."),
    _training(
        "--remainder", default="keep", show_default=True, metavar="NAME", help="keep, drop, spread or carry."
    ),
    _training(
        "--seed", type=Whole(0), default=0, show_default=True, metavar="S", help="Of pairs, order and noise."
    ),
    _output(
        "--out",
        "-o",
        type=click.Path(path_type=Path),
        default="vectors.txt",
        show_default=True,
        metavar="FILE",
        help="Text as word2vec writes it, or .safetensors.",
    ),
    _output("--force", is_flag=True, help="Write over a file that exists."),
    _output("--nearest", multiple=True, metavar="WORD", help="Show the words near it; may be repeated."),
    _output("--json", "as_json", is_flag=True, help="One JSON object on stdout, all else on stderr."),
    _output("--quiet", "-q", is_flag=True, help="Nothing but the result."),
)


@click.command("words", cls=Command)
@click.argument("corpus")
@_options
@click.pass_context
def command(
    ctx: click.Context,
    /,
    corpus: str,
    out: Path,
    force: bool,
    nearest: tuple[str, ...],
    as_json: bool,
    quiet: bool,
    **given: Any,
) -> None:
    """Learn a vector for each word of CORPUS, a text in UTF-8 with a sentence a line.

    Skip-gram with negative sampling: a sample is a pair of a word and another within its window.

    \b
    epochal words corpus.txt --out vectors.txt --dimensions 50 --nearest king
    """
    check_new_file(out, force)
    from epochal.cli.screen import Screen

    screen = Screen(quiet=quiet, to_stderr=as_json)
    vectors = _learn(corpus, nearest, given, screen)
    with replacing(out) as partial:
        vectors.save(partial)
    found = {word: vectors.nearest(word, 5) for word in nearest}
    assert vectors.run is not None
    if as_json:
        say_document(_document(vectors, out, found))
    elif quiet:
        say(str(out))
    else:
        screen.console.print()
        for word, near in found.items():
            said = f"near {word}: " + ", ".join(f"{one} {cosine:.2f}" for one, cosine in near)
            screen.console.print(said, soft_wrap=True)
        said = f"wrote {len(vectors):,} words × {vectors.dimensions:,} dimensions to {out}"
        screen.console.print(said, soft_wrap=True)
        screen.console.print(f"stopped: {vectors.run.outcomes[0].stopped}", soft_wrap=True)
    ctx.exit(130 if vectors.run.interrupted else 0)


def _learn(corpus: str, asked: tuple[str, ...], given: dict[str, Any], screen: Screen) -> WordVectors:
    from epochal.applications.word_vectors.learn import Learning
    from epochal.training.events import RunEnded
    from epochal.training.loop import Control

    text = ("dimensions", "window", "negatives", "min_count", "subsample", "batch_size", "seed")
    learning = Learning.of(corpus, lowercase=not given["keep_case"], **{name: given[name] for name in text})
    for word in asked:
        learning.corpus.number(word)
    taken = ("epochs", "optimizer", "learning_rate", "order", "remainder")
    control = Control()
    events = learning.events(control, learning.options(**{name: given[name] for name in taken}))
    with stopping(control, screen.anything_learned), screen.watching(control):
        for event in events:
            screen.show(event)
            if isinstance(event, RunEnded):
                return learning.vectors(event.run)
    raise AssertionError("a training ends with RunEnded")


def _document(
    vectors: WordVectors, out: Path, found: dict[str, list[tuple[str, float]]]
) -> dict[str, object]:
    from epochal.data.records import plain

    run = vectors.run
    assert run is not None
    document: dict[str, object] = plain(
        {
            "out": str(out),
            "words": len(vectors),
            "dimensions": vectors.dimensions,
            "plan": run.plan.to_dict(),
            "notes": run.data["notes"],
            "losses": run.curves.columns["train.loss"].tolist(),
            "nearest": {word: dict(near) for word, near in found.items()},
            "stopped": run.outcomes[0].stopped,
            "settings": run.settings,
            "conditions": run.conditions,
            "interrupted": run.interrupted,
        }
    )
    return document
