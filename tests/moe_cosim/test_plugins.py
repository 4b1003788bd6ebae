"""Plug-ins of other packages: found by name, imported when asked for, and no harm when they are broken."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from moe_cosim import registry as registry_module
from moe_cosim.errors import InputError
from moe_cosim.registry import Registry
from tests.moe_cosim import things
from tests.outside import fresh_python, install

GOOD = """\
from tests.moe_cosim.things import Thing, registry


@registry.register("{0}")
class Good(Thing):
    pass


"""
Installed = Callable[..., Registry[type[things.Thing]]]


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installed]:
    """installed(package, {entry point: text of a module of that name}): a fresh registry that finds them."""
    modules = set(sys.modules)
    fresh: Registry[type[things.Thing]] = Registry("thing", "things")
    monkeypatch.setattr(things, "registry", fresh)
    monkeypatch.syspath_prepend(str(tmp_path))

    def add(package: str, texts: Mapping[str, str], points: Mapping[str, str] | None = None) -> Registry:  # type: ignore[type-arg]
        found = {name: f"{package}_{name}".replace("-", "_") for name in texts}
        files = {f"{found[name]}.py": text.format(name) for name, text in texts.items()}
        install(tmp_path, package, files, {"things": points if points is not None else found})
        _forget_installed()
        return fresh

    yield add
    for name in set(sys.modules) - modules:
        del sys.modules[name]
    _forget_installed()


def _forget_installed() -> None:
    registry_module.installed.cache_clear()
    registry_module._all_points.cache_clear()


BROKEN = {
    "ModuleNotFoundError: No module named 'no_such_module'": "import no_such_module",
    "SyntaxError": "def (:",
    "SystemExit: 3": "raise SystemExit(3)",
    "Stop: now": "class Stop(BaseException): pass\nraise Stop('now')",
    "ValueError: two lines": "raise ValueError('two\\nlines')",
    "registers no thing": "x = 1",
    "ZeroDivisionError": GOOD + "1 / 0",
}


@pytest.mark.parametrize(("reason", "text"), BROKEN.items(), ids=list(BROKEN))
def test_a_broken_one_stops_only_who_asks_for_it(
    installed: Installed, capsys: pytest.CaptureFixture[str], reason: str, text: str
) -> None:
    registry = installed("the-package", {"fine": GOOD, "broken": text})
    assert registry.get("fine").__name__ == "Good"
    assert capsys.readouterr() == ("", ""), "what nobody asks for is not imported"
    for _ in range(2):
        assert registry.names() == ["fine"]
    said = capsys.readouterr().err
    assert said.startswith("moe-cosim: thing broken of the-package left out: ")
    assert reason in said
    assert said.count("\n") == 1, "named once"
    (left,) = registry.left_out()
    assert (left.kind, left.name, left.package) == ("thing", "broken", "the-package")
    assert reason in left.reason
    assert "\n" not in left.reason
    with pytest.raises(InputError) as refused:
        registry.get("broken", "x.yaml", "thing.name")
    assert str(refused.value).startswith("x.yaml: thing.name: found 'broken' of package the-package, left out: ")
    assert reason in str(refused.value)


def test_who_asks_for_a_broken_one_is_told_once(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    registry = installed("p", {"broken": "1 / 0"})
    with pytest.raises(InputError, match="ZeroDivisionError"):
        registry.get("broken")
    assert capsys.readouterr() == ("", "")


def test_an_interrupt_is_no_fault_of_the_plug_in(installed: Installed, monkeypatch: pytest.MonkeyPatch) -> None:
    once = "from tests.moe_cosim import things\nif things.interruptions.pop():\n    raise KeyboardInterrupt\n"
    registry = installed("p", {"late": once + GOOD})
    monkeypatch.setattr(things, "interruptions", [False, True], raising=False)
    with pytest.raises(KeyboardInterrupt):
        registry.get("late")
    assert registry.get("late").__name__ == "Good"


def test_only_the_one_asked_for_is_imported(installed: Installed) -> None:
    registry = installed("p", {"one": GOOD, "other": "raise AssertionError"})
    registry.get("one")
    assert "p_other" not in sys.modules
    with pytest.raises(InputError, match="allowed: one of one"):
        registry.get("unheard-of")


def test_a_module_may_register_several(installed: Installed) -> None:
    both = GOOD + "registry.register('second')(Thing)"
    registry = installed("p", {"label": both.replace("{0}", "first")})
    assert registry.get("second") is things.Thing
    assert registry.names() == ["first", "second"]
    with pytest.raises(InputError, match="found 'label'; allowed: one of first, second"):
        registry.get("label")


def test_what_one_package_takes_from_another_outlives_its_fall(installed: Installed) -> None:
    """A broken module that imported a good plug-in by itself does not take that along."""
    registry = installed("p", {"good": GOOD, "heir": "import p_good\n1 / 0"})
    with pytest.raises(InputError, match="ZeroDivisionError"):
        registry.get("heir")
    assert registry.get("good").__name__ == "Good"
    assert registry.names() == ["good"]


def test_a_taken_name_is_left_out(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    registry = installed("p", {"own": GOOD})
    registry.register("own")(things.Thing)
    assert registry.get("own") is things.Thing
    assert "thing own of p left out: ValueError: thing 'own' is registered already" in capsys.readouterr().err


def test_two_packages_of_one_name(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    installed("b-package", {"same": GOOD})
    registry = installed("a-package", {"same": GOOD})
    assert registry.get("same").__module__ == "a_package_same", "the same one on every machine"
    assert "thing same of b-package left out" in capsys.readouterr().err


@pytest.mark.parametrize("value", ["no such:!", "p_x:missing", ":", "p_x [extra"])
def test_entry_points_written_wrong(installed: Installed, value: str) -> None:
    registry = installed("p", {"x": GOOD}, {"bad": value, "x": "p_x"})
    assert registry.names() == ["x"]
    assert [left.name for left in registry.left_out()] == ["bad"]


def test_what_it_prints_is_not_taken_for_a_result(installed: Installed, capsys: pytest.CaptureFixture[str]) -> None:
    registry = installed("p", {"loud": "print('hello')\n" + GOOD})
    assert registry.names() == ["loud"]
    assert capsys.readouterr() == ("", "hello\n")


# -- through the command line --------------------------------------------------------------------

POLICY = '''
    from moe_cosim.workloads.policies.base import Policy, policies


    @policies.register("all-near-data")
    class AllNearData(Policy):
        """Every expert where it lives."""

        summary = "every expert computed near the data, for a test"
        homes = ("near-data",)

        def prepare(self):
            self.context.keep_all(self.context.quantization.expert_format)

        def plan_layer(self, demand):
            for expert, tokens in zip(demand.experts, demand.tokens):
                home = self.context.home(demand.layer, expert, self.context.quantization.expert_format)
                self.plan.run(expert, tokens, self.context.ndp_of(expert).name, home)
'''
QUICK = ("--set", "workload.prompt_tokens=4", "--set", "workload.output_tokens=3")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package whose policy is fine and another whose every plug-in is broken."""
    folder = tmp_path_factory.mktemp("site")
    install(folder, "outside", {"outside_policies.py": POLICY}, {"policies": {"all-near-data": "outside_policies"}})
    groups = ("policies", "routers", "engines", "formats", "allocators", "unit_models", "model_families", "schedulers")
    install(folder, "ruins", {"ruins.py": "raise SystemExit(0)"}, {group: {"ruin": "ruins"} for group in groups})
    return folder


def moe_cosim(site: Path, *arguments: object) -> CompletedProcess[str]:
    return fresh_python(site, "-m", "moe_cosim", *arguments)


def test_a_policy_from_outside_runs_beside_broken_ones(site: Path) -> None:
    done = moe_cosim(site, "run", "monde-mixtral-8x7b", "--set", "policy=all-near-data", *QUICK, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    result = json.loads(done.stdout)
    assert result["policy"] == "all-near-data"
    assert result["experts"]["near_data_share"] == 1.0


def test_broken_ones_are_listed(site: Path) -> None:
    done = moe_cosim(site, "list", "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert {"all-near-data", "lru"} <= set(found["policies"])
    assert found["left out"].keys() >= {"policy ruin", "engine ruin", "format ruin", "model family ruin"}
    assert set(found["left out"].values()) == {"ruins: SystemExit: 0"}
    said = done.stderr.splitlines()
    assert len(said) == len(set(said)) == 8, "each is named once"
    assert all(line.endswith(" ruin of ruins left out: SystemExit: 0") for line in said)


def test_the_broken_one_is_refused_in_one_line(site: Path) -> None:
    done = moe_cosim(site, "run", "monde-mixtral-8x7b", "--set", "policy=ruin", *QUICK)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "policy.name: found 'ruin' of package ruins, left out: SystemExit: 0" in done.stderr


def test_workers_of_a_sweep_are_silent(site: Path, tmp_path: Path) -> None:
    """The unknown name makes each worker look through all plug-ins; the commands speak for them."""
    document = {
        "name": "ruined",
        "base": "monde-mixtral-8x7b",
        "set": {"workload.prompt_tokens": 2, "workload.output_tokens": 2},
        "grid": {"policy": [{"name": name} for name in ("monde", "ruin", "nobody")]},
    }
    (tmp_path / "sweep.yaml").write_text(json.dumps(document))
    out = tmp_path / "store"
    done = moe_cosim(site, "sweep", "run", tmp_path / "sweep.yaml", "--out", out, "--workers", 2)
    failed = [line for line in done.stderr.splitlines() if line.startswith("failed: ")]
    named = [line for line in done.stderr.splitlines() if " ruin of ruins left out: " in line]
    assert len(failed) == 2
    assert len(named) == len(set(named)), "by the command, which looks for what a point uses; not by each worker"
    assert "found 'nobody'; allowed: one of all-near-data" in failed[0] + failed[1]
    assert "found 'ruin' of package ruins, left out: SystemExit: 0" in failed[0] + failed[1]
    assert done.stdout.startswith("1 points computed")
