"""The way in: `poseline`, and `python -m poseline`."""

import sys

from poseline.interruption import Interruption, exit_with
from poseline.light import travel_light


def main() -> None:
    """The console script. Signals are heard before anything that takes time is imported."""
    travel_light()
    exit_with(_command)


def _command(interruption: Interruption) -> int:
    if sys.argv[1:2] == ["run"]:
        from poseline.head_start import head_start

        head_start.begin(sys.argv[2:])
    from poseline.cli import command

    return command(interruption)


if __name__ == "__main__":
    main()
