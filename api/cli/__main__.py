"""`python -m api.cli`: the same as `callcenter`."""

import gc

# What is loaded stays: to look through it for garbage meanwhile would be a fifth of the time that a start takes.
gc.disable()

from api.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
