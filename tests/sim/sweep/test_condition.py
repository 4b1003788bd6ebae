import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.sweep.plan.condition import Condition

POINT = {
    "workload.batch": 4,
    "machine.set.devices.ndp.count": 8,
    "policy.name": "monde",
    "assumptions.cxl-link-rate": "32 GB/s",
    "policy.alpha": 0.5,
    "quantization.average_bits": None,
}


def holds(text: str, **changes: object) -> bool:
    condition = Condition(text, "sweep.yaml")
    condition.resolve(POINT)
    return condition.holds({**POINT, **changes})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("workload.batch == 4", True),
        ("ndp.count <= 8", True),
        ("ndp.count ≤ 7", False),
        ("1 < workload.batch < 8 and not ndp.count > 8", True),
        ("policy.name in ['monde', 'hobbit']", True),
        ("policy.name not in ('monde',)", False),
        ("workload.batch * 2 == ndp.count", True),
        ("workload.batch % 3 == 1 or alpha > 1", True),
        ("-alpha < 0", True),
        ("field('assumptions.cxl-link-rate') >= '24 GB/s'", True),
        ("field('assumptions.cxl-link-rate') < '4000 MB/s'", False),
        ("field('cxl-link-rate') == '32 GB/s'", True),
    ],
)
def test_value(text: str, expected: bool) -> None:
    assert holds(text) is expected


def test_a_comparison_with_what_a_point_lacks_is_false() -> None:
    condition = Condition("policy.alpha > 0.1", "sweep.yaml")
    condition.resolve(POINT)
    assert condition.holds({"policy.alpha": 0.2})
    assert not condition.holds({"policy.name": "hobbit"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "workload.batch = 4",
        "workload.batch == ",
        "__import__('os').system('true')",
        "workload.batch.__class__()",
        "(lambda: 1)()",
        "[x for x in (1, 2)]",
        "2 ** 9999999",
        "f'{policy.name}'",
        "workload.batch if 1 else 2",
        "open('x')",
        "x := 3",
        "policy.name['a']",
        "~1",
        "1 << 3",
        "(" * 500 + "1" + ")" * 500,
        "1 == 1 " * 1000,
        "unknown.field == 1",
        "name == 1 and nothing > 2",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"^sweep\.yaml: where: found ") as caught:
        holds(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["policy.name < 3", "workload.batch / 0 > 1", "policy.name + 1 == 2"])
def test_values_of_the_wrong_kind_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="where"):
        holds(text)


def test_an_ambiguous_ending_is_refused() -> None:
    condition = Condition("count > 1", "sweep.yaml")
    with pytest.raises(InputError, match="several"):
        condition.resolve({"a.count": 1, "b.count": 2})
