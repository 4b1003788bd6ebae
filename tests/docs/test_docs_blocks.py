"""Every code block of README and docs runs, or is what it says it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from platformdirs import user_cache_path

from tests.docs.described import KINDS
from tests.docs.page import LANGUAGES, MARKS, PAGES, ROOT, Block, blocks
from tests.docs.runner import Page
from tests.docs.shell import missing
from tests.sim.batch.conftest import slurm  # noqa: F401 - a fixture

BLOCKS = {str(page.relative_to(ROOT)): found for page in PAGES if (found := list(blocks(page)))}
SLOW = [page for page, found in BLOCKS.items() if any(block.slow for block in found)]

Run = Callable[[Sequence[Block]], list[str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs blocks in a new folder with an empty home; what it left out, and for want of what."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(user_cache_path()))  # compiled code
    for name in ("home", "page"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))  # of workers
    monkeypatch.chdir(tmp_path / "page")

    def run_blocks(found: Sequence[Block]) -> list[str]:
        page, left_out = Page(tmp_path / "page"), []
        for block in found:
            if lacks := missing(block.marks.get("needs", "")):
                left_out.append(f"{block.where}: no {lacks}")
                continue
            try:
                page.run(block)
            except (Exception, SystemExit) as error:
                pytest.fail(f"{block.where}: {error}", pytrace=False)
        return left_out

    return run_blocks


@pytest.mark.parametrize("page", BLOCKS)
def test_blocks_of_a_page_run_in_order(page: str, run: Run) -> None:
    assert run([block for block in BLOCKS[page] if not block.slow]) == []


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW)
def test_all_blocks_of_a_page_run_in_order(page: str, run: Run, request: pytest.FixtureRequest) -> None:
    if any("sbatch" in block.marks.get("needs", "") for block in BLOCKS[page]):
        request.getfixturevalue("slurm")
    if left_out := run(BLOCKS[page]):
        pytest.skip("; ".join(left_out))


@pytest.mark.parametrize("page", BLOCKS)
def test_no_block_is_neither_run_nor_marked(page: str) -> None:
    for index, block in enumerate(BLOCKS[page]):
        assert block.language in LANGUAGES, f"{block.where}: {block.language or 'no language'}"
        assert set(block.marks) <= set(MARKS), block.where
        assert "slow" not in block.marks or block.marks["slow"], f"{block.where}: slow, and does not say why"
        assert "needs" not in block.marks or block.slow, f"{block.where}: may be left out, so it is to be marked slow"
        if block.language == "yaml":
            assert block.marks.get("as", "").split()[:1] in [[kind] for kind in KINDS], block.where
        if block.marks.get("as") == "used-below":
            assert any(block.name in other.text for other in BLOCKS[page][index + 1 :]), block.where
        if block.language == "text" and "output" not in block.marks:
            assert not re.search(r"^(\$|moe-cosim|python|pip|make) ", block.text, re.MULTILINE), block.where
