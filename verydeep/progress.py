"""How long work tells what it is doing, whoever listens."""


class Watch:
    """Listens to long work; this one hears and says nothing."""

    def say(self, line: str) -> None:
        """Takes a line worth reading: a choice with its reason, a result, a warning."""

    def step(self, what: str, done: int, total: int, note: str = "") -> None:
        """Takes how far work is, `done` of `total`; `note` is the latest figure."""


SILENT = Watch()
