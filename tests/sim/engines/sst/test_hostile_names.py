"""Names that are Python, in an emitted configuration and its README."""

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from moe_cosim.errors import InputError
from moe_cosim.sim.emit_experiment import emit_experiment
from moe_cosim.sim.engines.sst.emit import json_document, python_text
from moe_cosim.sim.engines.sst.graph.build import BuildOptions, build_graph
from tests.sim.engines.sst.machines import linked_pair
from tests.sim.engines.sst.recording import Recorder
from tests.sim.tiny import Tiny

NAMES = ['x"""\nimport os\n"""', "x\nraise SystemExit", "x\\", '"', "'\"", "x\rraise SystemExit", "x\u2028y"]

MACHINE = """\
kind: machine
title: {title}
devices:
  {device}: {{device: h100-sxm}}
  cxl: {{device: cxl-switch}}
  ndp: {{device: cxl-ndp}}
links:
  a: {{link: cxl-pcie4-x16, ends: ["{device}.pcie", cxl.port]}}
  b: {{link: cxl-pcie4-x16, ends: [cxl.port, ndp.pcie]}}
"""


@pytest.mark.parametrize("name", NAMES)
def test_a_name_stays_text(name: str) -> None:
    graph = build_graph(linked_pair(), BuildOptions())
    parts = tuple(replace(part, note=name, section=name) for part in graph.components)
    links = tuple(replace(link, note=name, name=f"{link.name}{name}") for link in graph.links)
    hostile = replace(graph, title=name, components=parts, links=links)
    assert Recorder().execute(python_text(hostile)) == json_document(hostile)
    plain = replace(hostile, title="t", links=graph.links)
    statements = [ast.dump(each) for each in ast.parse(python_text(replace(hostile, links=graph.links))).body]
    assert statements == [ast.dump(each) for each in ast.parse(python_text(plain)).body]


@pytest.mark.parametrize(
    ("title", "device", "said"),
    [
        (r'"x\nimport os"', "gpu", "title: found 'x\\nimport os'; allowed: text on one line"),
        (r'"x\e[2J"', "gpu", "allowed: text without control characters"),
        ("x", '"../../gpu"', "found such a name; allowed: a name of letters"),
        ("x", r'"g\npu"', "keys without control characters"),
    ],
)
def test_a_machine_with_such_names_is_refused(tmp_path: Path, title: str, device: str, said: str) -> None:
    tiny = Tiny(tmp_path)
    tiny.write_model()
    (tmp_path / "machine.yaml").write_text(MACHINE.format(title=title, device=device.strip('"')), encoding="utf-8")
    if device.startswith('"'):
        text = MACHINE.format(title=title, device="gpu").replace("  gpu:", f"  {device}:")
        (tmp_path / "machine.yaml").write_text(text, encoding="utf-8")
    tiny.write(("{use: h100-cxl-ndp}", "./machine.yaml"))
    with pytest.raises(InputError) as caught:
        emit_experiment(str(tiny.path), {}, str(tmp_path / "out"), None)
    assert said in str(caught.value)
    assert not (tmp_path / "out").exists()
