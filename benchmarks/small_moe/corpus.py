"""The text a small model learns from: five domains of Debian packages, the same bytes wherever versions are the same.

    python benchmarks/small_moe/corpus.py FOLDER

Packages are downloaded by name (`apt-get download`) and unpacked beside, not installed. A domain is a list of
documents in an order drawn by the digest of their names, every `HELD_OUT`-th of which is held out: a prompt's document
was never trained on. One file per domain and part, documents parted by a zero byte, and `corpus.json` with versions,
counts and digests.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HELD_OUT: Final = 10
"""One document in so many."""
DOCUMENT_BYTES: Final = 32768
"""What is kept of one document, so that no long file is a domain of its own."""
SHORTEST_BYTES: Final = 1024
DOMAIN_BYTES: Final = 2_500_000
"""At most so much of a domain: about what one pass of the recorded training reads."""
PART: Final = b"\0"
PARTS: Final = ("train", "held-out")


@dataclass(frozen=True)
class Domain:
    name: str
    package: str
    """Of Debian, by name."""
    pattern: str
    """Files of the package, below its root."""
    without: tuple[str, ...] = ()
    """Folders left out."""


DOMAINS: Final = (
    Domain("dictionary", "dict-gcide", "usr/share/dictd/gcide.dict.dz"),
    Domain("quotations", "fortunes", "usr/share/games/fortunes/*"),
    # pydoc_data is the manual once more, encodings are tables
    Domain("python", "libpython3.11-stdlib", "usr/lib/python3.11/**/*.py", ("pydoc_data", "encodings")),
    Domain("headers", "linux-libc-dev", "usr/include/**/*.h"),
    Domain("manual", "python3.11-doc", "usr/share/doc/python3.11/html/_sources/**/*.rst.txt"),
)


def documents(domain: Domain, root: Path) -> Iterator[tuple[str, bytes]]:
    """Name and text of each document of the unpacked package, long files cut at blank lines."""
    for path in sorted(root.glob(domain.pattern)):
        if path.is_symlink() or not path.is_file() or set(path.parts) & set(domain.without):
            continue
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".dz" else path.read_bytes()
        if PART in content:  # indexes of fortunes
            continue
        for number, piece in enumerate(pieces(content)):
            if len(piece) >= SHORTEST_BYTES:
                yield f"{path.relative_to(root)}#{number}", piece


def pieces(content: bytes, most: int = DOCUMENT_BYTES) -> Iterator[bytes]:
    """`content` in pieces of at most `most` bytes, cut after the last blank line of each where it has one."""
    start = 0
    while len(content) - start > most:
        blank = content.rfind(b"\n\n", start, start + most)
        end = start + most if blank < start else blank + 2
        yield content[start:end]
        start = end
    yield content[start:]


def split(named: Iterable[tuple[str, bytes]], most: int = DOMAIN_BYTES) -> dict[str, list[bytes]]:
    """Documents for training and held out, in an order that depends on their names alone."""
    ordered = sorted(named, key=lambda pair: hashlib.sha256(pair[0].encode()).digest())
    parts: dict[str, list[bytes]] = {part: [] for part in PARTS}
    total = 0
    for number, (_, text) in enumerate(ordered):
        if total + len(text) > most:
            break
        parts[PARTS[number % HELD_OUT == 0]].append(text)
        total += len(text)
    return parts


def build(folder: Path, roots: dict[str, tuple[Path, str]], domains: Sequence[Domain] = DOMAINS) -> dict[str, object]:
    """Write the corpus from unpacked packages (`roots`: package -> root and version); returns its description."""
    folder.mkdir(parents=True, exist_ok=True)
    told: dict[str, object] = {}
    whole = hashlib.sha256()
    for domain in domains:
        root, version = roots[domain.package]
        parts = split(documents(domain, root))
        about: dict[str, object] = {"package": domain.package, "version": version}
        for part, texts in parts.items():
            content = PART.join(texts)
            (folder / f"{domain.name}.{part}").write_bytes(content)
            digest = hashlib.sha256(content).hexdigest()
            whole.update(digest.encode())
            about[part] = {"documents": len(texts), "bytes": len(content), "sha256": digest}
        told[domain.name] = about
    description = {"domains": told, "sha256": whole.hexdigest()}
    (folder / "corpus.json").write_text(json.dumps(description, indent=1) + "\n")
    return description


def unpacked(package: str, folder: Path) -> tuple[Path, str]:
    """Root and version of a Debian package, downloaded by name and unpacked once."""
    root = folder / package
    archives = sorted(folder.glob(f"{package}_*.deb"))
    if not archives:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "-q", "download", package], cwd=folder, check=True)
        archives = sorted(folder.glob(f"{package}_*.deb"))
    subprocess.run(["dpkg-deb", "-x", archives[-1], root], check=True)
    shown = subprocess.run(["dpkg-deb", "-f", archives[-1], "Version"], check=True, capture_output=True, text=True)
    return root, shown.stdout.strip()


def main(folder: Path) -> None:
    roots = {domain.package: unpacked(domain.package, folder / "packages") for domain in DOMAINS}
    print(json.dumps(build(folder, roots), indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
