"""The type checker that every public function runs under while the tests run."""

from beartype import BeartypeConf, beartype

checker = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""beartype, taking a whole number where a float is asked for, as Python does."""
