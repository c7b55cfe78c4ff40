"""What the tests share: the folder beside the project, and a world in which no child reports or downloads."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from output_worlds import SHARED


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of clips and models; without it a test is skipped here and fails in CI."""
    if not SHARED.is_dir():
        missing = f"{SHARED} is not there; set POSELINE_SHARED"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return SHARED


@pytest.fixture(scope="session")
def clip(shared: Path) -> Path:
    """205 frames of 1280x720 at 50 frames a second, with sound."""
    return shared / "clips" / "openpose_video.avi"


@pytest.fixture(scope="session")
def int8(shared: Path) -> Path:
    """A network that runs without being converted first."""
    return shared / "models" / "yolov8n-pose_int8_openvino_model"


@pytest.fixture
def no_one(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder to be read by a process without privileges, which this one is meanwhile."""
    del tmp_path_factory  # its folders are closed to others
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o777)
        if not hasattr(os, "geteuid"):
            pytest.skip("needs POSIX permissions")
        user = os.geteuid()
        if user == 0:
            os.seteuid(65534)
        try:
            yield folder
        finally:
            if user == 0:
                os.seteuid(0)
