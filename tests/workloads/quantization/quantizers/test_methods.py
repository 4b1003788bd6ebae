"""Methods are found by name, and asked only for what they have. Needs no torch."""

import pytest

from moe_cosim.errors import InputError
from moe_cosim.workloads.quantization.quantizers import methods, quantizer


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("gtpq", 4), "quantizer: method: found 'gtpq'; allowed: one of "),
        (("rtn", 5), "bits: found 5; allowed: 1, 2, 3, 4, 8 for rtn"),
        (("rtn", True), "bits: found True"),
        (("rtn", 4, 48), "group_size: found 48; allowed: one of 32, 64, 128"),
    ],
)
def test_what_no_method_has(arguments: tuple[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        quantizer(*arguments)


def test_every_method_says_what_it_is() -> None:
    for name in methods():
        made = quantizer(name, 4)
        assert made.summary
        assert 4 in made.widths
