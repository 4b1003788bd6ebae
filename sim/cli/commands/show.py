"""``moe-cosim show``: one thing in full, by kind and name, by name alone, or by its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click

from moe_cosim.sim.cli.commands.options import SETTINGS
from moe_cosim.sim.cli.output import Output, output_options

_PLUG_INS: Final = {
    "policy": "a system's rules, and what its paper leaves open",
    "neuron-policy": "a system's rules for neurons of a dense model",
    "router": "a source of routing: options and assumptions",
    "trace-format": "a layout of recorded routing, and what tells it",
    "engine": "an engine: options",
    "allocator": "a rule that shares bits among experts",
    "scheduler": "a batch scheduler: fields of its site file",
    "format": "a number format",
    "model-family": "a family of Hugging Face configurations",
    "unit-kind": "a kind of unit",
    "lowering-hook": "a hook of the lowering",
    "unit-model": "a model of kernel times",
    "reproduction": "what is reproduced of a publication",
}
_DESCRIPTIONS: Final = {
    "device": "every field of a device, and who says so",
    "link": "every field of a link, and who says so",
    "dram": "every field of a DRAM standard, and who says so",
    "isa": "what kernels do per cycle of an instruction set",
    "software": "what a software stack costs, and who says so",
}

_AS_FILE: Final = click.option("--yaml", "as_file", is_flag=True, help="Print its file, to begin one of your own with.")


class _ByName(click.Group):
    """A name or file in place of a kind is looked up among all kinds."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in self.commands or args[0].startswith("-"):
            return super().resolve_command(ctx, args)
        from moe_cosim.sim.cli.find import kind_of

        kind = kind_of(args[0])
        return kind, self.commands[kind], args


@click.group(cls=_ByName, subcommand_metavar="[KIND] NAME")
def show() -> None:
    """Print one thing in full. NAME is what moe-cosim list names, or a file; KIND may be left out where the name is
    of one kind alone."""


def _plug_in(kind: str, says: str) -> click.Command:
    @click.command(name=kind, help=f"Print {says}.")
    @click.argument("name")
    @output_options("options", "assumptions")
    def command(name: str, output: Output) -> None:
        from moe_cosim.sim.cli.listing import registry_of
        from moe_cosim.sim.cli.tables.parts.plug_in import plug_in_document, plug_in_report

        document = plug_in_document(kind, name, registry_of(kind))
        output.emit(lambda: document, lambda: plug_in_report(document))

    return command


def _description(kind: str, says: str) -> click.Command:
    @click.command(name=kind, help=f"Print {says}. NAME: of the catalogue, or a file.")
    @click.argument("name")
    @_AS_FILE
    @output_options("fields")
    def command(name: str, as_file: bool, output: Output) -> None:
        if as_file:
            _emit_description(kind, name, output)
            return
        from moe_cosim.sim.cli.tables.parts.description import description_document, description_report

        document = description_document(kind, name)
        output.emit(lambda: document, lambda: description_report(document))

    return command


for _kind, _says in _PLUG_INS.items():
    show.add_command(_plug_in(_kind, _says))
for _kind, _says in _DESCRIPTIONS.items():
    show.add_command(_description(_kind, _says))


@show.command()
@click.argument("name")
@click.option("--set", "settings", multiple=True, metavar="PATH=VALUE", help="Replace a field of the description.")
@_AS_FILE
@output_options("units", "memories", "switches", "links", "assumptions", "constants")
def machine(name: str, settings: tuple[str, ...], as_file: bool, output: Output) -> None:
    """Print the parts of a machine, with peaks and latencies. NAME: of the catalogue, or a file."""
    if as_file:
        if settings:
            raise click.UsageError("--yaml prints the file as it is: without --set")
        _emit_description("machine", name, output)
        return
    from moe_cosim.assumptions import Assumptions
    from moe_cosim.errors import InputError
    from moe_cosim.experiment import parse_settings
    from moe_cosim.hw_models.build import build_with_origins
    from moe_cosim.hw_models.merge import EXPERIMENT
    from moe_cosim.sim.cli.tables.parts.machine import machine_document, machine_report

    try:
        built, origins = build_with_origins(name, Assumptions(), parse_settings(settings))
    except InputError as error:
        if error.where != EXPERIMENT:
            raise
        where = "show" if error.field == "machine" else "--set"
        raise InputError(where, error.field.removeprefix("set."), error.found, error.allowed) from None
    output.emit(lambda: machine_document(built, origins), lambda: machine_report(built, origins))


@show.command()
@click.argument("name")
@click.option("--yaml", "as_file", is_flag=True, help="Print it as a model file, which an experiment may name.")
@output_options("parts", "facts")
def model(name: str, as_file: bool, output: Output) -> None:
    """Print a model's size and the shape of every part. NAME: of the catalogue, or a file: a Hugging Face config.json,
    a model file, a .gguf file."""
    from moe_cosim.sim.cli.tables.parts.model import model_document, model_report

    if as_file:
        from moe_cosim.workloads.models import find_model, model_file_of

        _emit_yaml(model_file_of(find_model(name, "show", "model")), output)
        return
    document = model_document(name)
    output.emit(lambda: document, lambda: model_report(document))


@show.command()
@click.argument("name")
@SETTINGS
@output_options()
def experiment(name: str, settings: tuple[str, ...], output: Output) -> None:
    """Print an experiment resolved, as YAML that runs. NAME: a shipped one, or a file."""
    from moe_cosim.experiment import load_experiment, parse_settings

    found = load_experiment(name, parse_settings(settings))
    _emit_yaml(found.model_dump(mode="json"), output)


@show.command()
@click.argument("name")
@output_options()
def sweep(name: str, output: Output) -> None:
    """Print a sweep file: the base experiment and what varies. NAME: a shipped one, or a file."""
    from moe_cosim.sim.sweep.plan.sweep_file import find_sweep, read_sweep

    found = read_sweep(find_sweep(name))
    _emit_yaml(found.model_dump(mode="json", by_alias=True, exclude_defaults=True), output)


@show.command(name="routing-preset")
@click.argument("name")
@output_options()
def routing_preset(name: str, output: Output) -> None:
    """Print the parameters of a routing preset. NAME: a shipped one, or a file."""
    from dataclasses import asdict

    from moe_cosim.workloads.routing.latent import load_preset

    found = asdict(load_preset(name, "show"))
    _emit_yaml({key: value.tolist() if hasattr(value, "tolist") else value for key, value in found.items()}, output)


@show.command(name="neuron-model")
@click.argument("name")
@output_options()
def neuron_model(name: str, output: Output) -> None:
    """Print a dense model with ReLU. It takes part in experiments with neurons. NAME: a shipped one, or a file."""
    from moe_cosim.workloads.neurons.model import find_neuron_model

    _emit_yaml(find_neuron_model(name, "show").model_dump(mode="json"), output)


@show.command(name="draft-model")
@click.argument("name")
@output_options()
def draft_model(name: str, output: Output) -> None:
    """Print a dense model that drafts tokens. NAME: a shipped one, or a config.json."""
    from moe_cosim.workloads.verify.draft_model import find_draft

    _emit_yaml({"name": name, **find_draft(name, "show").model_dump(mode="json")}, output)


@show.command(name="crosscheck-case")
@click.argument("name")
@output_options()
def crosscheck_case(name: str, output: Output) -> None:
    """Print what a case of the cross-check compares."""
    from moe_cosim.errors import InputError
    from moe_cosim.sim.crosscheck.suite import FED, INDEPENDENT

    known = FED.cases() | INDEPENDENT.cases()
    if name not in known:
        raise InputError("show", "crosscheck-case", name, known)
    case = known[name]
    told = {"why": case.why} if case.why else {}
    _emit_yaml(
        {"name": case.name, "says": case.says, "line_bytes": case.line_bytes, "memory": case.memory, **told}, output
    )


def _emit_description(kind: str, name: str, output: Output) -> None:
    """The text of its file, remarks and all; as JSON its fields."""
    from moe_cosim.hw_models import catalog

    path = catalog.find(name, kind, "show")
    tree = catalog.read(path, kind)
    if output.as_json:
        output.emit(lambda: {"kind": kind, **tree}, list)
    else:
        click.echo(path.read_text(encoding="utf-8"), nl=False)


def _emit_yaml(document: Mapping[str, Any], output: Output) -> None:
    """As it would stand in a file."""
    from moe_cosim.yaml_file import yaml_text

    if output.as_json:
        output.emit(lambda: document, list)
    else:
        click.echo(yaml_text(dict(document)), nl=False)


COMMANDS = (show,)
