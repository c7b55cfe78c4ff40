"""`python -m poseline`."""

from poseline.cli import main

if __name__ == "__main__":
    main()
