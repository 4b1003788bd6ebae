"""The command line. Commands import what they need when they run, so that ``--help`` is quick."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from functools import partial
from typing import Any

import click

from moe_cosim.compiling import compiling
from moe_cosim.errors import MoeCosimError, RunError
from moe_cosim.escape import printable
from moe_cosim.sim.cli.commands import (
    accuracy,
    bench,
    look,
    plot,
    quantize,
    report,
    reproduce,
    run,
    show,
    sst,
    store,
    sweep,
    trace,
    validate,
)
from moe_cosim.version import VERSION


class _Commands(click.Group):
    """Turns the project's errors into their one line and exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        compiling.announce = partial(click.echo, err=True)
        try:
            _check_output()
            done = super().invoke(ctx)
            sys.stdout.flush()  # here, where a full disk or a closed pipe can still be answered
            return done
        except MoeCosimError as error:
            line, code = str(error), error.exit_code
        except KeyboardInterrupt:
            line, code = "interrupted", 130
        except MemoryError:
            line, code = "not enough memory", 1
        except OSError as error:
            _drop_output()
            line = "" if isinstance(error, BrokenPipeError) else f"{error.filename or 'output'}: {error.strerror}"
            code = 1
        if line:
            click.echo(f"moe-cosim: {printable(line)}", err=True)
        return ctx.exit(code)


def _check_output() -> None:
    """What a terminal's encoding lacks is written out. Where standard output is closed nothing is begun: the first
    file that is opened would get its number."""
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
    if sys.stdout is None:
        raise RunError("standard output is closed; > /dev/null discards it")
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _drop_output() -> None:
    """Nothing more can be written, so that Python does not try (and complain) again at its end."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(VERSION, prog_name="moe-cosim")
def main() -> None:
    """Co-simulate mixture-of-experts inference on GPUs with near-data processing."""


for _commands in (
    run.COMMANDS,
    trace.COMMANDS,
    report.COMMANDS,
    look.COMMANDS,
    show.COMMANDS,
    reproduce.COMMANDS,
    sweep.COMMANDS,
    store.COMMANDS,
    plot.COMMANDS,
    sst.COMMANDS,
    bench.COMMANDS,
    validate.COMMANDS,
    accuracy.COMMANDS,
    quantize.COMMANDS,
):
    for _command in _commands:
        main.add_command(_command)


if __name__ == "__main__":
    main()
