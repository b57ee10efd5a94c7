"""Golden: the docs say what the code says."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from epochal.cli.main import COMMANDS, app

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])


def script(name):
    """A module of the docs folder."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_tree_of_modules_is_the_one_in_the_sources():
    tree = script("tree")
    assert tree.PAGE.read_text(encoding="utf-8") == tree.page(), "python docs/tree.py writes it anew"


def test_figures_are_quoted_as_they_were_measured():
    quote = script("quote")
    assert any("<!-- quoted: " in page.read_text(encoding="utf-8") for page in quote.PAGES)
    for page in quote.PAGES:
        assert page.read_text(encoding="utf-8") == quote.page(page), "python docs/quote.py writes it anew"


def test_every_sentence_is_on_a_page_and_follows_its_results():
    """A sentence with figures of its own would not change with the file."""
    quote = script("quote")
    text = "".join(page.read_text(encoding="utf-8") for page in quote.PAGES)
    for name in quote.SENTENCES:
        assert f"<!-- said: {name} -->" in text
        found = json.loads((quote.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        assert quote.said(name) == quote.said(name, found) and found["conditions"]["date"] in quote.said(name)
        assert numbers(quote.said(name, doubled(found))) != numbers(quote.said(name))


def numbers(text):
    return re.findall(r"\d[\d.,]*", text.partition("(Measured")[0])


def doubled(found):
    """The same document with every figure twice as large, those in words left alone."""
    if isinstance(found, dict):
        return {key: doubled(value) if key != "conditions" else value for key, value in found.items()}
    if isinstance(found, list):
        return [doubled(value) for value in found]
    return 2 * found if isinstance(found, int | float) and not isinstance(found, bool) else found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_nothing_is_said_twice(page):
    """No second copy of a section, and none of a paragraph: the stale one is read, too."""
    text = re.sub(r"(?s)```.*?```", "", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ .*", text, re.MULTILINE)
    paragraphs = [part for part in text.split("\n\n") if len(part) > 160]
    for parts in [paragraphs] if page.name == "log.md" else [headings, paragraphs]:
        assert len(parts) == len(set(parts)), sorted(part for part in parts if parts.count(part) > 1)[0]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(page):
    text = page.read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+)\)", text) + re.findall(r'src(?:set)?="([^":]+)"', text):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"
    assert not re.search(r"\b[A-Z]{4,}_[A-Z]{4,}\b", text.replace("EPOCHAL_CACHE", "")), "a placeholder"


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_flags_of_commands_exist(page):
    helps = {name: CliRunner().invoke(app, [name, "--help"]).output for name in COMMANDS}
    anywhere = "\n".join(helps.values())
    for line in page.read_text(encoding="utf-8").splitlines():
        command = re.search(r"epochal (\w+)", line)
        for flag in re.findall(r"(?<![\w-])--[a-z][a-z-]+", line):
            if flag == "--help":
                continue
            where = helps.get(command[1], anywhere) if command else anywhere
            assert flag in where, f"{page.name}: {flag} in {line.strip()!r}"
