"""Names that a reader goes by: one class to a name, and files that are where the text says they are."""

import ast
import re
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parent.parent
CODE = ("moe_cosim", "hw_models", "workloads", "sim")
OUTSIDE_CODE = ("docs", "tests", "benchmarks", "templates")
_FOLDERS = "|".join((*CODE, *OUTSIDE_CODE, "experiments"))
_PATH = re.compile(rf"(?<![\w/.-])(?:{_FOLDERS})/[\w./-]+")
_MADE_BY_A_TEST = {"moe_cosim/hw_models/catalog/machines/new.yaml"}


def files(folders: tuple[str, ...], *suffixes: str) -> list[Path]:
    """Each once: the folders within moe_cosim are links to those beside it."""
    found = {path.resolve() for folder in folders for path in (ROOT / folder).rglob("*") if path.suffix in suffixes}
    return sorted(found)


def test_no_two_classes_have_one_name() -> None:
    classes = Counter(
        node.name
        for path in files(CODE, ".py")
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )
    assert len(classes) > 200
    assert [name for name, count in classes.items() if count > 1] == []


def test_paths_that_texts_name_are_there() -> None:
    texts = [ROOT / "README.md", *files(CODE + OUTSIDE_CODE, ".py", ".md", ".j2", ".h", ".cc")]
    named = {
        (str(path.relative_to(ROOT)), found.rstrip("./-"))
        for path in texts
        for found in _PATH.findall(path.read_text(encoding="utf-8"))
    }
    assert len(named) > 50
    assert [(text, name) for text, name in named if name not in _MADE_BY_A_TEST and not (ROOT / name).exists()] == []
