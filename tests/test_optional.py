"""Installed packages: their versions without `importlib.metadata`, and a word for each that is missing."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from poseline.errors import SettingsError
from poseline.optional import installed_versions, require


def test_versions_are_those_of_the_packages_metadata() -> None:
    names = ["numpy", "av", "pyyaml", "pydantic_core", "typing-extensions", "no-such-package"]
    assert installed_versions(names) == {name: version(name) for name in names[:-1]}


def test_the_first_on_the_path_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for place, number in (("a", "1.0"), ("b", "2.0")):
        (tmp_path / place / f"Some_Thing-{number}.dist-info").mkdir(parents=True)
    monkeypatch.setattr("sys.path", [str(tmp_path / "gone"), str(tmp_path / "a"), str(tmp_path / "b")])
    assert installed_versions(["some-thing"]) == {"some-thing": "1.0"}


def test_what_is_missing_is_named() -> None:
    require("numpy", "nothing")
    require("pyyaml", "nothing", "yaml")
    with pytest.raises(SettingsError, match="^--log csv needs no-such, which is not installed: pip install no-such$"):
        require("no-such", "--log csv", "no_such")
