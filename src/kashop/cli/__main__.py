"""`python -m kashop.cli`: the same as `kashop`."""

from kashop.cli import main

if __name__ == "__main__":
    main()
