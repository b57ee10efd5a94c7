"""The typed keywords of `fit` and `train` for type checkers and editors, made of the settings' fields."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

from epochal.settings.settings import Settings

PAGE = Path(__file__).resolve().parents[1] / "src" / "epochal" / "settings" / "keywords.py"


def page() -> str:
    """The module as the fields are now."""
    before = PAGE.read_text(encoding="utf-8").partition("class Options")[0]
    fields = [f"    {one.name}: {one.type}".replace("'", '"') for one in dataclasses.fields(Settings)]
    about = '"""The keyword arguments of `fit` and `train`; `Settings` describes each."""'
    return "\n".join([f"{before}class Options(TypedDict, total=False):", f"    {about}", "", *fields, ""])


if __name__ == "__main__":
    sys.exit(PAGE.write_text(page(), encoding="utf-8") == 0)
