"""Supply: what is built is the same each time, and what it depends on is known. For a schedule, not for each change.

    python tools/supply.py build       # wheel and sdist, built twice and compared; checked by twine
    python tools/supply.py licences    # writes docs/licences.md from what is installed
    python tools/supply.py sbom FILE   # a CycloneDX list of what is installed, valid by its schema
    python tools/supply.py audit       # known holes in what is installed, by pip-audit: 1; 2 where it could not ask

It needs `pip install build twine pip-audit cyclonedx-bom` in the Python that runs it; `licences`, `sbom` and `audit`
look at the Python of --python, by default that one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
EPOCH = "1735689600"
"""2025-01-01: the date of all that is in an archive."""
_HEAD = """# Licences of what Poseline needs

<!-- made by `python tools/supply.py licences` -->

Poseline is {own}: who gives it to others, or lets others use a changed one over a network, gives them
its source too. ultralytics, which it builds on, and its weights are AGPL-3.0 as well.

What `pip install poseline` brings, at the versions that were looked at, as the packages state it themselves:

| package | version | licence |
|---|---|---|"""
_LISTING = """
import json, re, sys
from importlib import metadata

def needs(name, extras):
    for line in metadata.requires(name) or ():
        marker = line.partition(";")[2]
        if "extra" in marker and not any(f"'{extra}'" in marker or f'"{extra}"' in marker for extra in extras):
            continue
        yield re.match(r"[\\w.-]+", line)[0]

found, waiting = {}, [("poseline", ())]
while waiting:
    name, extras = waiting.pop()
    key = re.sub(r"[-_.]+", "-", name).lower()
    if key in found:
        continue
    try:
        facts = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        continue
    classes = [each for each in facts.get_all("Classifier") or () if each.startswith("License")]
    classifiers = [each.rpartition(" :: ")[2] for each in classes]
    stated = facts.get("License-Expression") or "; ".join(classifiers) or (facts.get("License") or "").splitlines()[0:1]
    found[key] = {"version": facts["Version"], "licence": stated if isinstance(stated, str) else "".join(stated)}
    waiting += [(each, ()) for each in needs(name, extras)]
json.dump(found, sys.stdout)
"""


def run(*command: str, **settings: str) -> str:
    """What a command prints; ends this program where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | settings, cwd=ROOT)  # noqa: S603
    if done.returncode:
        sys.exit(f"{' '.join(command[:4])} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def build() -> None:
    """Build twice, compare, and have twine look at it."""
    digests: list[dict[str, str]] = []
    with tempfile.TemporaryDirectory() as place:
        for number in range(2):
            out = Path(place) / str(number)
            run(sys.executable, "-m", "build", "--outdir", str(out), str(ROOT), SOURCE_DATE_EPOCH=EPOCH)
            made = sorted(out.iterdir())
            digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made})
        if digests[0] != digests[1]:
            sys.exit(f"two builds differ: {json.dumps(digests, indent=1)}")
        print(run(sys.executable, "-m", "twine", "check", "--strict", *map(str, made)).strip())
    for name, digest in digests[0].items():
        print(f"{digest}  {name}")


def licences(python: str) -> None:
    """Write the page of licences."""
    found = json.loads(run(python, "-c", _LISTING))
    own = found.pop("poseline", {}).get("licence", "AGPL-3.0-or-later")
    lines = [_HEAD.format(own=own)]
    for name, facts in sorted(found.items()):
        licence = re.sub(r"\s+", " ", facts["licence"]).replace("|", "/")[:80] or "not stated"
        lines.append(f"| {name} | {facts['version']} | {licence} |")
    lines += ["", "The wheels of `av` and `opencv-python` bring FFmpeg (LGPL and GPL parts), each their own.", ""]
    PAGE.write_text("\n".join(lines), encoding="utf-8")
    print(f"{len(found)} packages in {PAGE.name}")


def sbom(python: str, file: Path) -> None:
    """Write the list of what is installed, and see that it is as the schema of CycloneDX wants it."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    words = ("environment", python, "--pyproject", str(ROOT / "pyproject.toml"), "--output-reproducible")
    run(sys.executable, "-m", "cyclonedx_py", *words, "-o", str(file.absolute()))
    text = file.read_text(encoding="utf-8")
    made = json.loads(text)
    if fault := JsonStrictValidator(SchemaVersion.from_version(made["specVersion"])).validate_str(text):
        sys.exit(f"{file} is no valid CycloneDX {made['specVersion']}: {fault}")
    print(f"{len(made['components'])} components in {file}, valid CycloneDX {made['specVersion']}")


def audit(python: str) -> int:
    """Ask for known holes in what is installed: 1 where there are any, 2 where not all could be asked about."""
    frozen = run(python, "-m", "pip", "freeze", "--exclude-editable").splitlines()
    pinned = [line for line in frozen if " @ " not in line and "+" not in line]
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as listed:
        listed.write("\n".join(pinned))
        listed.flush()
        words = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "-r", listed.name)
        done = subprocess.run(  # noqa: S603 # our own command
            [sys.executable, "-m", "pip_audit", *words], capture_output=True, text=True, check=False
        )
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        print(f"NOT AUDITED: pip-audit could not ask: {(done.stderr.strip().splitlines() or ['it said nothing'])[-1]}")
        return 2
    return judged(found, [line for line in frozen if line not in pinned])


def judged(found: list[dict[str, Any]], unpinned: list[str]) -> int:
    """Say what pip-audit found; by itself it calls packages free of holes of which it could learn nothing."""
    for each in found:
        for hole in each.get("vulns", ()):
            print(
                f"{each['name']} {each['version']}: {hole['id']}, mended in {', '.join(hole['fix_versions']) or 'none'}"
            )
    skipped = [each["skip_reason"] for each in found if "skip_reason" in each]
    skipped += [f"{line}: no version of a registry" for line in unpinned]
    holes = sum(len(each.get("vulns", ())) for each in found)
    if skipped:
        print(f"NOT AUDITED: {len(skipped)} of {len(found) + len(unpinned)} packages, the first: {skipped[0]}")
    if asked := len(found) + len(unpinned) - len(skipped):
        print(f"{holes} known holes in {asked} packages")
    return 2 if skipped else int(holes > 0)


def main() -> int:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("build", "licences", "sbom", "audit"))
    parser.add_argument("file", nargs="?", default="sbom.json")
    parser.add_argument("--python", default=sys.executable)
    chosen = parser.parse_args()
    if chosen.what == "build":
        build()
    elif chosen.what == "licences":
        licences(chosen.python)
    elif chosen.what == "sbom":
        sbom(chosen.python, Path(chosen.file))
    else:
        return audit(chosen.python)
    return 0


if __name__ == "__main__":
    sys.exit(main())
