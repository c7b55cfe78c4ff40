"""The way in: `poseline`, and `python -m poseline`."""

import sys

from poseline.interruption import INTERRUPTED, Interruption, exit_with
from poseline.startup import tune_process


def main() -> None:
    """The console script. Signal handlers are set before anything that takes time is imported."""
    tune_process()
    exit_with(_command)


def _command(interruption: Interruption) -> int:
    if sys.argv[1:2] == ["run"]:
        from poseline.startup.model_preload import model_preload

        model_preload.begin(sys.argv[2:])
    try:
        if sys.argv[1:] == ["doctor"]:  # which goes without what the command line needs
            from poseline.doctor import show

            return show()
        from poseline.cli import command

        return command(interruption)
    except ImportError as error:
        if interruption.aborted:  # some libraries make this of an import that is interrupted
            return INTERRUPTED
        if str(error.name).startswith("poseline"):
            raise
        sys.stderr.write(f"error: {error}; `poseline doctor` says what is missing and how to get it\n")
        return 1


if __name__ == "__main__":
    main()
