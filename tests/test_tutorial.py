"""The notebook of docs/: its cells run, and what its text says of the numbers is so."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = ROOT / "docs" / "tutorial.ipynb"

SAID = """
import json
gpu = energy[energy.component.str.startswith("gpu.")]
print(json.dumps({
    "decode_share": {" ".join(place): share for place, share in decode_share.items()},
    "gpu_energy": gpu.share.sum(),
    "gpu_static": gpu[gpu.cause == "static"].share.sum() / gpu.share.sum(),
    "steps": len(step_ms),
    "speed_up": speed_up,
    "saved": saved,
    "swings": swings.reset_index()[["metric", "assumption", "lowest", "highest"]].values.tolist(),
    "finished": outcome.finished,
    "failed": len(outcome.failures),
    "again": moe_cosim.run_sweep("batches.yaml", "STORE", workers=1).finished,
    "batches": table.index.tolist(),
    "rates": table.to_dict("list"),
}))
"""


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, dict[str, Any], Path]:
    """The notebook with outputs, what its variables came to, and the folder that it ran in."""
    for module in ("ipykernel", "pandas", "duckdb", "matplotlib"):
        pytest.importorskip(module)
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    folder = tmp_path_factory.mktemp("notebook")
    notebook = nbformat.read(NOTEBOOK, nbformat.NO_CONVERT)
    notebook.cells.append(nbformat.v4.new_code_cell(SAID))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.setenv("IPYTHONDIR", str(folder / "ipython"))
        run = nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}})
        run.execute()
    return notebook, json.loads(notebook.cells.pop().outputs[0].text), folder


def test_the_notebook_is_kept_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert len(code) > 5
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_every_cell_shows_something(executed: tuple[Any, dict[str, Any], Path]) -> None:
    code = [cell for cell in executed[0].cells if cell.cell_type == "code"]
    assert all(cell.outputs and cell.outputs[-1].output_type in ("execute_result", "stream") for cell in code)
    first = code[0].outputs[-1].data["text/html"]
    assert all(f"{what}: " in first for what in ("answer", "bound by", "moved most by"))
    assert "image/png" in code[-1].outputs[-1].data


def test_decode_is_half_near_data_and_a_third_software(executed: tuple[Any, dict[str, Any], Path]) -> None:
    share = executed[1]["decode_share"]
    assert share["ndp.core expert"] == pytest.approx(1 / 2, abs=0.08)
    assert share["gpu.sm host"] == pytest.approx(1 / 3, abs=0.08)
    assert executed[1]["steps"] == 9


def test_the_gpu_takes_most_energy_much_of_it_for_being_on(executed: tuple[Any, dict[str, Any], Path]) -> None:
    assert executed[1]["gpu_energy"] > 0.5
    assert executed[1]["gpu_static"] > 0.4


def test_the_baseline_is_several_times_worse(executed: tuple[Any, dict[str, Any], Path]) -> None:
    assert executed[1]["speed_up"] > 3
    assert executed[1]["saved"] > 3


def test_software_and_the_cores_move_the_answer_and_links_hardly(executed: tuple[Any, dict[str, Any], Path]) -> None:
    rates = [row[1:] for row in executed[1]["swings"] if row[0] == "decode_tokens_per_s"]
    assert {name for name, _, _ in rates[:2]} == {"host-overhead-per-layer", "ndp-bit-scaling"}
    ratio = {name: high / low for name, low, high in rates}
    assert all(ratio[name] > 2 for name, _, _ in rates[:2])
    assert ratio["cxl-link-rate"] < 1.01


def test_the_sweep_is_computed_once_and_batches_are_faster(executed: tuple[Any, dict[str, Any], Path]) -> None:
    said = executed[1]
    assert (said["finished"], said["failed"], said["again"]) == (8, 0, 0)
    assert said["batches"] == [1, 2, 4, 8]
    assert all(rates == sorted(rates) and len(set(rates)) == 4 for rates in said["rates"].values())


def test_the_figure_has_the_numbers_of_the_sweep(executed: tuple[Any, dict[str, Any], Path]) -> None:
    _, said, folder = executed
    assert (folder / "batches.pdf").read_bytes().startswith(b"%PDF")
    with (folder / "batches.csv").open(encoding="utf-8") as file:
        drawn = sorted(float(cell) for row in csv.reader(file) for cell in row if _is_rate(cell))
    assert drawn == pytest.approx(sorted(rate for rates in said["rates"].values() for rate in rates))


def _is_rate(cell: str) -> bool:
    """A number, and not the size of a batch."""
    try:
        return float(cell) not in (1, 2, 4, 8)
    except ValueError:
        return False
