import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.plan import SweepPlan, plan_sweep
from tests.sim.sweep.conftest import MODEL, WriteSweep


def varied(plan: SweepPlan, *paths: str) -> list[tuple[object, ...]]:
    return [tuple(point.settings[path] for path in paths) for point in plan.points]


def test_a_grid_is_the_product_the_last_axis_fastest(write_sweep: WriteSweep) -> None:
    plan = plan_sweep(write_sweep(grid={"workload.batch": [1, 2], "policy.t1": [0.1, 0.2, 0.3]}))
    assert varied(plan, "workload.batch", "policy.t1") == [(b, t) for b in (1, 2) for t in (0.1, 0.2, 0.3)]
    assert plan.axes == ("workload.batch", "policy.t1")


def test_zipped_axes_advance_together(write_sweep: WriteSweep) -> None:
    plan = plan_sweep(write_sweep(zip={"workload.batch": [1, 2], "policy.t1": [0.1, 0.2]}, seeds=2))
    expected = [(1, 0.1, 0), (1, 0.1, 1), (2, 0.2, 0), (2, 0.2, 1)]
    assert varied(plan, "workload.batch", "policy.t1", "seed") == expected


def test_a_latin_hypercube_has_one_sample_in_each_stratum(write_sweep: WriteSweep) -> None:
    axes = {"policy.t1": {"range": [0.0, 0.5]}, "policy.t2": {"range": [0.5, 1.0]}}
    path = write_sweep(latin={"samples": 16, "axes": axes})
    plan = plan_sweep(path)
    for column, low in (("policy.t1", 0.0), ("policy.t2", 0.5)):
        strata = sorted(int((point.settings[column] - low) / 0.5 * 16) for point in plan.points)
        assert strata == list(range(16))
    assert plan_sweep(path).plan_id == plan.plan_id


def test_variants_have_bases_and_settings_of_their_own(write_sweep: WriteSweep) -> None:
    variants = {"hobbit": {}, "monde": {"base": "monde-mixtral-8x7b", "set": {"workload.output_tokens": 4}}}
    plan = plan_sweep(write_sweep(variants=variants, grid={"workload.batch": [1, 2]}))
    chosen = {(p.variant, plan.experiment(p).policy["name"], plan.experiment(p).workload.batch) for p in plan.points}
    assert chosen == {("hobbit", "hobbit", 1), ("hobbit", "hobbit", 2), ("monde", "monde", 1), ("monde", "monde", 2)}


def test_duplicates_and_filtered_points_are_counted(write_sweep: WriteSweep) -> None:
    plan = plan_sweep(write_sweep(grid={"workload.batch": [1, 2, 2, 4]}, seeds=2, where=["batch < 4", "seed ≥ 0"]))
    assert (len(plan.points), plan.duplicates, plan.removed) == (4, 2, 2)


def test_settings_of_the_command_line_reach_every_point(write_sweep: WriteSweep) -> None:
    plan = plan_sweep(write_sweep(seeds=2), {"workload.output_tokens": 7})
    assert {plan.experiment(point).workload.output_tokens for point in plan.points} == {7}


def test_a_point_is_the_same_in_every_sweep_whatever_its_name(write_sweep: WriteSweep) -> None:
    one = plan_sweep(write_sweep("one", seeds=3))
    other = plan_sweep(write_sweep("other", grid={"workload.batch": [1, 2]}, set={"description": "else"}))
    assert one.points[0].id == other.points[0].id
    assert one.plan_id != other.plan_id


def test_other_code_is_another_point(write_sweep: WriteSweep, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_sweep(seeds=1)
    before = plan_sweep(path).points[0].id
    monkeypatch.setattr("moe_cosim.sim.sweep.identity.sources.core_digest", lambda: "another")
    assert plan_sweep(path).points[0].id != before


def test_files_count_by_content(tmp_path: Path, write_sweep: WriteSweep, base_folder: Path) -> None:
    (tmp_path / "here").mkdir()
    path = write_sweep(seeds=1, set={"model": "here/model.json"})
    (tmp_path / "here" / "model.json").write_text(json.dumps(MODEL))
    shipped = plan_sweep(write_sweep("same", seeds=1)).points[0].id
    assert plan_sweep(path).points[0].id == shipped  # other place, same content
    (tmp_path / "here" / "model.json").write_text(json.dumps({**MODEL, "vocab_size": 2000}))
    assert plan_sweep(path).points[0].id != shipped


def test_a_file_within_a_described_machine_counts_by_content(tmp_path: Path, write_sweep: WriteSweep) -> None:
    catalog = Path(__file__).parents[3] / "hw_models" / "catalog"
    machine = yaml.safe_load((catalog / "machines" / "h100-host.yaml").read_text())
    group = next(iter(machine["devices"]))
    shutil.copy(catalog / "devices" / f"{machine['devices'][group]['device']}.yaml", tmp_path / "mine.yaml")
    machine["devices"][group]["device"] = "mine.yaml"
    (tmp_path / "machine.yaml").write_text(yaml.safe_dump(machine))
    path = write_sweep(seeds=1, set={"machine.use": "machine.yaml"})
    before = plan_sweep(path)
    assert str(tmp_path / "mine.yaml") in before.files
    with (tmp_path / "mine.yaml").open("a") as file:
        file.write("# changed\n")
    assert plan_sweep(path).points[0].id != before.points[0].id


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({}, "grid"),
        ({"grid": {}}, "grid"),
        ({"grid": {"workload.bacth": [1]}}, "workload.bacth"),
        ({"grid": {"workload.batch": []}}, "grid.workload.batch"),
        ({"grid": {"workload.batch": [0]}}, "workload.batch"),
        ({"grid": {"workload.batch.more": [1]}}, "workload.batch.more"),
        ({"grid": {"seed": [1]}, "seeds": 2}, "seed"),
        ({"grid": {"policy.t1": [0.1], "policy": ["hobbit"]}}, "policy"),
        ({"zip": {"workload.batch": [1, 2], "seed": [1]}}, "zip"),
        ({"grids": {}}, "grids"),
        ({"seeds": 0}, "seeds"),
        ({"seeds": 2, "where": "batch >"}, "where"),
        ({"seeds": 2, "where": "batch > 99"}, "where"),
        ({"seeds": 2, "where": "nothing == 1"}, "where"),
        ({"seeds": 2, "base": "no-such-experiment"}, "base"),
        ({"variants": {"a": {"base": "no-such"}}}, "variants.a.base"),
        ({"variants": {"a": {"sets": {}}}}, "variants.a.sets"),
        ({"latin": {"samples": 3, "axes": {"policy.t1": 3}}}, "latin.axes.policy.t1"),
        ({"latin": {"samples": 3, "axes": {}}}, "latin.axes"),
        ({"grid": {"seed": {"seeds": 2000}, "workload.batch": {"range": [1, 2000], "step": 1}}}, "grid"),
    ],
)
def test_a_bad_sweep_is_one_line_naming_file_and_field(
    write_sweep: WriteSweep, fields: dict[str, object], named: str
) -> None:
    path = write_sweep(**fields)
    with pytest.raises(InputError) as caught:
        plan_sweep(path)
    assert str(caught.value).startswith(f"{path}: {named}")
    assert "\n" not in str(caught.value)


def test_an_axis_cannot_be_set_from_outside(write_sweep: WriteSweep) -> None:
    with pytest.raises(InputError, match="axis"):
        plan_sweep(write_sweep(grid={"workload.batch": [1, 2]}), {"workload.batch": 4})


def test_the_documented_sweep_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).parents[3] / "docs" / "sweeps.md").read_text()
    (written,) = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "documented.yaml").write_text(written)
    plan = plan_sweep(tmp_path / "documented.yaml")
    assert {point.variant for point in plan.points} == {"ndp", "monde"}
    assert len(plan.points) + plan.removed + plan.duplicates == 2 * 3**4 * 2 * 4 * 2
    assert {point.settings["assumptions.cxl-link-rate"] for point in plan.points} == {"48 GB/s", "64 GB/s"}
