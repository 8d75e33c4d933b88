"""`python -m verydeep` is the command `verydeep`."""

from verydeep.commands.main import main

if __name__ == "__main__":
    main()
