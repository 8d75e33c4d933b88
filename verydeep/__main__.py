"""The command `verydeep`, which is `python -m verydeep` too.

What it imports takes a moment; a Ctrl-C meanwhile has its line as any other.
"""


def main() -> None:
    """Runs the command; leaves with 130 where it is interrupted before it has begun."""
    try:
        from verydeep.commands.main import main
    except KeyboardInterrupt:
        raise SystemExit(_interrupted()) from None
    main()


def _interrupted() -> int:
    import sys

    print("\nverydeep: interrupted", file=sys.stderr)
    return 130


if __name__ == "__main__":
    main()
