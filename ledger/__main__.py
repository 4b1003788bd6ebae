"""``python -m ledger``: compute cells anew, and compare them with the ledger or renew it."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from ledger.book import Book
from ledger.parts import PARTS
from moe_cosim.errors import MoeCosimError

FOLDER = Path(__file__).parent / "cells"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--check", is_flag=True, help="Write nothing. Exit code 1 where a number moved.")
@click.option("--message", default="", help="Which change moved the numbers. Without it none may have moved.")
def main(parts: tuple[str, ...], check: bool, message: str) -> None:
    """Compute PARTS (default: all; some minutes) and renew the ledger."""
    book = Book(FOLDER)
    found = {}
    for part in parts or PARTS:
        found[part] = PARTS[part]()
        moves = book.moves(part, found[part])
        click.echo(f"{part}: {len(found[part])} cells, {len(moves)} moved")
        for move in moves:
            click.echo(f"  {move}")
    if check:
        sys.exit(any(book.moves(part, cells) for part, cells in found.items()))
    try:
        book.renew(found, message)
    except MoeCosimError as error:
        click.echo(str(error), err=True)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
