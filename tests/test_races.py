"""The chain of stages under threads that change as often as they can; tools/soak/races.py runs it for longer."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TOOL = Path(__file__).parents[1] / "tools" / "soak" / "races.py"


def test_three_hundred_chains_end_as_they_should() -> None:
    done = subprocess.run(
        [sys.executable, str(TOOL), "--runs", "300", "--seed", "11"], capture_output=True, text=True, timeout=280
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "300 runs with" in done.stdout
    assert ", 0 faults" in done.stdout


def test_a_channel_that_loses_an_item_is_noticed() -> None:
    program = (
        f"import sys; sys.path.insert(0, {str(TOOL.parent)!r})\n"
        "from poseline.pipeline.channel import Channel\n"
        "put, calls = Channel.put, []\n"
        "def losing(self, item):\n"
        "    calls.append(item)\n"
        "    if len(calls) % 40:\n"
        "        put(self, item)\n"
        "Channel.put = losing\n"
        "import races\n"
        "sys.argv = ['races', '--runs', '60']\n"
        "sys.exit(races.main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=280)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "items" in done.stderr
