"""The two ways a command can end badly, and the one line each prints."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from json import JSONDecodeError

from moe_cosim.escape import printable


class MoeCosimError(Exception):
    """Base of every error the user sees as one line instead of a traceback."""

    exit_code = 1


class RunError(MoeCosimError):
    """A valid experiment whose run failed (a deadlock, say)."""


class InputError(MoeCosimError):
    """Bad input: says where, which field, what was found and what is allowed.

    >>> print(InputError("a.yaml", "link.bandwidth", "64 GBps", "a rate such as '64 GB/s'"))
    a.yaml: link.bandwidth: found '64 GBps'; allowed: a rate such as '64 GB/s'

    `allowed` is text, or the legal names: then the one nearest to what was found is pointed out.
    """

    exit_code = 2

    def __init__(self, where: object, field: str, found: object, allowed: str | Iterable[str]) -> None:
        self.where = str(where)
        self.field = field
        self.found = found
        self.allowed = allowed if isinstance(allowed, str) else one_of(allowed, _written(found, field))
        shown = found if isinstance(found, Plain) else "nothing" if found is None else repr(found)
        super().__init__(
            f"{one_line(where)}: {one_line(field)}: found {one_line(shown)}; allowed: {one_line(self.allowed)}"
        )

    def at(self, where: object, field: str | None = None) -> InputError:
        """The same error as the reader should see it: in the file that he wrote, under the field's name there."""
        return InputError(where, self.field if field is None else field, self.found, self.allowed)

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, Plain, str]]:
        """Pickled as text, so that it comes back whole from another process."""
        found = self.found if isinstance(self.found, Plain) else Plain(repr(self.found))
        return InputError, (self.where, self.field, found, self.allowed)


class Plain(str):
    """Text for `InputError.found` that is a description, not a quoted value."""


def what_failed(error: BaseException) -> Plain:
    """What reading or writing a file ran into, in words for `InputError.found`: no name of a class of Python.

    >>> what_failed(FileNotFoundError(2, "No such file or directory"))
    'nothing there'
    """
    match error:
        case FileNotFoundError():
            return Plain("nothing there")
        case OSError(strerror=str(said)):
            return Plain(said)
        case UnicodeDecodeError():
            return Plain("bytes that are no UTF-8")
        case JSONDecodeError():
            return Plain(f"no JSON (line {error.lineno}: {error.msg})")
        case RecursionError():
            return Plain("values that are nested too deeply")
        case MemoryError():
            return Plain("more than memory holds")
        case EOFError():
            return Plain("an early end")
        case KeyError(args=(key, *_)):
            return Plain(f"no {key!r}")
        case TypeError() | AttributeError() | IndexError() | KeyError():
            return Plain("other fields than those")
    return Plain(str(error) or "something that cannot be read")


def _written(found: object, field: str) -> str | None:
    """The name that somebody wrote: what was found or, where that is described, the field itself."""
    if isinstance(found, Plain):
        return field.rpartition(".")[2] if found.startswith("an unknown") else None
    return found if isinstance(found, str) else None


def one_line(text: object) -> str:
    """Without line breaks and control characters, and shortened in the middle where it is long."""
    line = printable(" ".join(str(text).split()))
    if len(line) <= 400:
        return line
    head, tail = line[:280], line[-115:]  # a near miss is named at the end
    return f"{head.rpartition(' ')[0] or head} ... {tail.partition(' ')[2] or tail}"


def one_of(names: Iterable[str], found: str | None = None) -> str:
    """Text for `InputError.allowed`: the legal names, the nearest one first."""
    names = sorted(names)
    listed = "one of " + ", ".join(names)
    close = [] if found is None else get_close_matches(found, names, n=1) or _ending(names, found)
    return f"{listed} (did you mean {close[0]!r}?)" if close else listed


def _ending(names: list[str], found: str) -> list[str]:
    """The one dotted path that ends so, where there is one."""
    ends = [name for name in names if name.endswith(f".{found}")]
    return ends if len(ends) == 1 else []
