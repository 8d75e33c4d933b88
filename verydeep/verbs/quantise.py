"""Quantising: weights and labelled pictures in, an int8 file out, with what it costs in errors."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from verydeep import weights
from verydeep.datasets import Part
from verydeep.engines.engine import Engine, chosen, engine_for
from verydeep.engines.quantised import require, whole, write_int8
from verydeep.errors import PictureError, UserError
from verydeep.evaluation.class_matching import guess_in_words, other_orders, relabelled
from verydeep.evaluation.class_order import refuse_other_order
from verydeep.evaluation.comparison import Comparison, compare
from verydeep.evaluation.posteriors import posteriors, readable
from verydeep.evaluation.scores import Scores
from verydeep.evaluation.views import Protocol, protocol
from verydeep.pictures.preprocessing import Pixels, centre_crop
from verydeep.pictures.reading import Picture
from verydeep.randomness import generator
from verydeep.runtime.runtime import Runtime
from verydeep.verbs.parts import to_test
from verydeep.verbs.weights import refuse_place
from verydeep.weights.file import read_info, table_of
from verydeep.weights.info import refuse_stack

CALIBRATION = 256
"""Pictures of the training part that values' ranges are taken from."""


@dataclass(frozen=True)
class Quantised:
    """An int8 file written; `before` and `after` are the scores of the part set aside."""

    path: Path
    before: Scores
    after: Scores
    calibrated: int

    @property
    def comparison(self) -> Comparison:
        """After against before, picture by picture, by top-1 error."""
        return compare(self.after, self.before)

    def __str__(self) -> str:
        difference = self.comparison
        low, high = difference.interval
        return (
            f"top-1 error before {self.before.top(1):.2f} %, after {self.after.top(1):.2f} %: "
            f"{difference.difference:+.2f} points (95 % interval {low:+.2f} to {high:+.2f}; "
            f"McNemar p = {difference.p:.2g})\n"
            f"by {self.before.protocol}, {len(self.before.labels):,} pictures of the "
            f"{self.before.part} part; calibrated with {self.calibrated} of the training part; "
            f"after, {self.after.engine}"
        )


def export_int8(
    weights_path: Path, data: str, out: Path, runtime: Runtime | None = None
) -> Quantised:
    """Writes an ONNX file in int8, calibrated and tested with labelled pictures.

    Raises UserError where ONNX Runtime is not installed, or the data is of other classes.
    """
    require()
    refuse_place(Path(weights_path), out)
    runtime = runtime or Runtime()
    info = read_info(weights_path)
    refuse_stack(info, weights_path)
    _ = table_of(info).scores  # refuses a net without scores before any picture is read
    if places := table_of(info).places:
        raise UserError(
            f"{weights_path} finds {places.kind}, and what int8 costs is told in top-1 errors; "
            f"export it as it is"
        )
    if table_of(info).has_several:
        raise UserError(
            f"{weights_path} has classes that are each by itself, and what int8 costs is told in "
            f"top-1 errors; export it as it is"
        )
    dataset, _, _, _ = to_test(weights_path, data, None, None, runtime)
    name = dataset.held_out
    train, test = (relabelled(dataset.by_role[role], dataset, info) for role in ("train", name))
    if not len(test):
        raise UserError(f"no pictures to test on in the {name} part of {dataset.where}")
    network = weights.load(weights_path)
    centre = protocol(network, "centre")
    progress = runtime.progress
    if guess := guess_in_words(dataset, info):
        progress.say(guess)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another --out") from None
    progress.say(f"calibrating with pictures of the training part of {dataset.where}")
    crops = _crops(train, network.pixels, centre)
    engine = engine_for(network, chosen(None, "cpu"))

    def tested(by: str | Engine) -> Scores:
        found = posteriors(
            network, test, centre, runtime,
            lambda done: progress.step(f"testing {by if isinstance(by, str) else by.name}",
                                    done, len(test)),
            engine=by,
        )  # fmt: skip
        read = readable(found)
        names = tuple(name for name, there in zip(test.names, read, strict=True) if there)
        return Scores(
            found[read], test.labels[read], names, network.classes, centre, info.hash,
            dataset.fingerprint, name, engine=by if isinstance(by, str) else by.name,
        )  # fmt: skip

    unfinished = out.with_name(f"{out.name}.unfinished")
    try:
        write_int8(network, crops, unfinished)
        before = tested(engine.name)
        answers = before.posteriors.argmax(1), before.labels
        refuse_other_order(*answers, other_orders(dataset, info))
        after = tested(whole(unfinished, engine, runtime.machine.threads))
        unfinished.replace(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror}; choose another --out") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return Quantised(out, before, after, len(crops))


def _crops(part: Part, pixels: Pixels, centre: Protocol) -> list[Picture]:
    """The centre crops of pictures drawn from a part; those that cannot be read are left out."""
    crops = []
    for i in generator(0, "choice").permutation(len(part))[:CALIBRATION].tolist():
        try:
            crops.append(centre_crop(pixels.read(part.source(i), centre.scales[0]), centre.crop))
        except PictureError:  # enough others can
            continue
    if not crops:
        raise UserError("none of the pictures to calibrate with can be read")
    return crops
