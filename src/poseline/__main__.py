"""The way in: `poseline`, and `python -m poseline`."""

import sys

from poseline.interruption import INTERRUPTED, Interruption, exit_with
from poseline.light import travel_light


def main() -> None:
    """The console script. Signals are heard before anything that takes time is imported."""
    travel_light()
    exit_with(_command)


def _command(interruption: Interruption) -> int:
    if sys.argv[1:2] == ["run"]:
        from poseline.head_start import head_start

        head_start.begin(sys.argv[2:])
    try:
        if sys.argv[1:] == ["doctor"]:  # which goes without what the command line needs
            from poseline.doctor import show

            return show()
        from poseline.cli import command

        return command(interruption)
    except ImportError as error:
        if interruption.broken_off:  # some libraries make this of an import that is interrupted
            return INTERRUPTED
        if str(error.name).startswith("poseline"):
            raise
        sys.stderr.write(f"error: {error}; `poseline doctor` says what is missing and how to get it\n")
        return 1


if __name__ == "__main__":
    main()
