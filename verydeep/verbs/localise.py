"""Testing a net that places boxes: labelled pictures with boxes in, errors and a boxes file out.

Protocol 1 ("centre") asks for the box of the class that is there in one centre crop; protocol 2
("dense") for boxes of the classes that a classifier finds most probable, at every position of every
Q, which are merged (Appendix A of the paper).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from verydeep import weights
from verydeep.datasets import Dataset, Part
from verydeep.engines import engine as engines
from verydeep.errors import UserError
from verydeep.evaluation.class_matching import of_ilsvrc, relabelled
from verydeep.evaluation.views import protocol
from verydeep.localisation.boxes_file import WAYS, Tuned
from verydeep.localisation.choosing import THRESHOLD, choose_threshold, threshold_of
from verydeep.nets.network import Network
from verydeep.parts.boxed import with_boxes
from verydeep.runtime.progress import Progress
from verydeep.runtime.runtime import Runtime, told
from verydeep.shell import command
from verydeep.tasks.localise import ANY
from verydeep.training.run_toml import RUN, described
from verydeep.verbs.measure import Execution, Subject
from verydeep.verbs.measure_boxes import By, Located, by_of, measure_boxes, names_of
from verydeep.verbs.papers_nets import VALIDATION, trained_as
from verydeep.verbs.parts import WORDS, split_of, to_test
from verydeep.weights.file import BEST, WeightsInfo, hash_of, read_info
from verydeep.weights.info import members_of
from verydeep.weights.paths import beside


def finds_places(path: Path) -> bool:
    """Whether weights are of a net that finds boxes or points, by their header."""
    return members_of(read_info(path))[0].table.places is not None


def places_boxes(network: Network) -> bool:
    """Whether a network places boxes of classes."""
    places = network.table.places
    return places is not None and places.kind == "boxes"


def localise(
    weights_path: str | Path,
    data: str | Path,
    protocol_name: str = "dense",
    runtime: Runtime | None = None,
    *,
    classifier: str | Path | None = None,
    candidates: str | Path | None = None,
    scales: str | int | Sequence[int] | None = None,
    threshold: float | None = None,
    choose: bool = False,
    part_name: str | None = None,
    split: int | None = None,
    out: str | Path | None = None,
    engine: str | None = None,
    progress: Progress | None = None,
) -> Located:
    """A net that places boxes, tested on labelled pictures with boxes; these go to a file.

    By "centre" the box of the true class is asked for. By "dense" a `classifier` says which classes
    are asked for, and rates the boxes of positions; without one it is the weights that the run of
    this net started from. `candidates` is a score file of the same pictures, of any test or fusion,
    whose most probable classes are asked for instead. Boxes of a class are merged up to the
    `threshold`; with `choose` it is the one that is best on the validation part, where the
    classifier, if there is one, says which classes.
    Raises UserError where the data tells of no boxes, for classes without boxes, and for a
    threshold that is none.
    """
    runtime, merged_up_to = told(runtime, progress), threshold_of(threshold)
    path = weights.find(weights_path, runtime.progress)
    info = read_info(path)
    network = weights.load(path, runtime.machine.device)
    _refuse_other_nets(network, path, protocol_name)
    merging = {"threshold": threshold, "choose": choose or None}
    of_dense = {"classifier": classifier, "candidates": candidates, **merging}
    _refuse_idle(merging if protocol_name == "dense" else of_dense, protocol_name)
    chosen = protocol(network, protocol_name, scales)
    if protocol_name == "centre" and len(chosen.scales) > 1:
        raise UserError(
            f"--protocol centre shows a picture once, at one Q; give one of --scales "
            f"{','.join(map(str, chosen.scales))}"
        )
    how = Execution(engines.chosen(engine, runtime.machine.device))
    by = None if protocol_name == "centre" else _by(classifier, candidates, path, runtime)
    asked = path, data, split
    dataset, name, part, role = to_test(*asked, part_name, runtime, with_boxes)
    for note in dataset.notes:
        runtime.progress.say(note)
    runtime.progress.say(
        f"testing on {len(part):,} pictures ({name}{WORDS[role]}) of {dataset.where}"
    )
    runtime.progress.say(engines.words(how.engine, asked=engine is not None))
    whole = of_ilsvrc(dataset) and name != "train" and len(part) == VALIDATION
    seed = split_of(info) if split is None else split
    net = trained_as(info) if whole else None
    subject = Subject(dataset.where, dataset.fingerprint, name, role, seed, net)

    def tested(
        part: Part,
        subject: Subject,
        by: By | None,
        threshold: float = THRESHOLD,
        path: Path | None = None,
        chosen_on: str = "",
    ) -> Located:
        classes, of_classes = labelled(network, info, by, part, dataset)
        return measure_boxes(
            network, of_classes, classes, chosen, by, subject, folder, runtime, tuned=tuned(info),
            execution=how, threshold=threshold if by else None, path=path, chosen_on=chosen_on,
        )  # fmt: skip

    folder, place = beside(path), Path(out) if out else None
    if not choose or by is None:
        return tested(part, subject, by, merged_up_to, place)
    if (dataset.role_of(name) or name) in ("validation", "all"):
        do = "give --part test, or" if "test" in dataset.by_role else "there is no test part;"
        raise UserError(
            f"the threshold would be chosen on pictures that it is tested on; {do} leave --choose "
            f"out"
        )
    _, _, other, _ = to_test(*asked, "validation", runtime, with_boxes)
    if by.scores and not by.network and not {*other.names} <= {*by.scores.names}:
        raise UserError(
            f"--choose asks for classes of the {len(other):,} pictures of the validation part, "
            f"too, of which {candidates} does not tell; give --classifier, or a score file of "
            f"--part all"
        )
    said = f"validation, {len(other):,} pictures"
    runtime.progress.say(f"choosing the threshold on {said}")
    of_other = replace(subject, part="validation", role="validation", net=None)
    alone = replace(by, scores=None) if by.network else by  # a score file may be of others
    found, _ = choose_threshold(tested(other, of_other, alone).found)
    return tested(part, subject, by, found, place, said)


def _refuse_idle(said: Mapping[str, object], protocol_name: str) -> None:
    """Raises UserError for options that would change nothing.

    They are a threshold beside its choice, and any of dense boxes where the class is given.
    """
    given = [name for name, value in said.items() if value is not None]
    if protocol_name == "centre" and given:
        raise UserError(
            f"--protocol centre is given the class and merges nothing; leave --{given[0]} out"
        )
    if protocol_name == "dense" and len(given) > 1:
        raise UserError("--threshold says what --choose is to find; leave one of them out")


def _refuse_other_nets(network: Network, path: Path, protocol_name: str) -> None:
    """Raises UserError for a net that places something else than boxes, or a protocol of others."""
    if not places_boxes(network):
        kind = network.table.places.kind if network.table.places else "no boxes of classes"
        raise UserError(f"{path} finds {kind}; give a net that was trained with --task localise")
    if protocol_name not in WAYS:
        raise UserError(f"no protocol '{protocol_name}' of boxes; there are {' and '.join(WAYS)}")


def _by(
    classifier: str | Path | None, candidates: str | Path | None, path: Path, runtime: Runtime
) -> By:
    """What says which classes are asked for; UserError where nothing does."""
    if classifier is None and candidates is None:
        classifier = started_from(path)
        if classifier is None:
            again = command("evaluate", path, "DATA", "--classifier", "WEIGHTS")
            raise UserError(
                f"{path} places boxes and tells no classes apart; say what does: `{again}`; or "
                f"--protocol centre is given the class"
            )
        runtime.progress.say(f"classes by {classifier}, which it started from")
    return by_of(classifier, candidates, runtime)


def started_from(path: Path) -> Path | None:
    """The classifier that the run of a file started from, where it still lies there; else None.

    Where the run went on with a net that places things, it is what that one had started from.
    """
    folder = beside(path)
    if not (folder / RUN).is_file():
        return None
    about = described(folder)
    if about.machine.start is None or about.start is None:
        return None
    try:
        start = weights.find(about.machine.start)
        table = members_of(read_info(start))[0].table
        if hash_of(weights.load(start)) != about.start.hash:
            return None
    except UserError:  # gone, or something else by now
        return None
    if table.places is not None:
        return started_from(start)
    return start if table.has_scores else None


def tests_of_boxes(
    network: Network,
    dataset: Dataset,
    parts: Mapping[str, Part],
    subject: Subject,
    folder: Path,
    runtime: Runtime,
) -> tuple[Located, ...]:
    """The tests that a run ends with, of parts by role; the last says most of it.

    Each is tested by its centre crops, and by dense boxes where a classifier of the same classes
    tells them apart.
    """
    info, classifier, found = read_info(folder / BEST), started_from(folder / BEST), []
    by = by_of(classifier, None, runtime) if classifier else None
    for role, part in parts.items():
        of_role = replace(subject, part=role, role=role)
        ways: list[tuple[str, By | None]] = [("centre", None), *([("dense", by)] if by else [])]
        for name, asked in ways:
            try:
                classes, of_classes = labelled(network, info, asked, part, dataset)
            except UserError as error:
                if asked is None:
                    raise
                runtime.progress.say(f"not tested by dense boxes, classes by {classifier}: {error}")
                break
            test = measure_boxes(
                network, of_classes, classes, protocol(network, name), asked, of_role, folder,
                runtime, tuned=tuned(info), threshold=THRESHOLD if asked else None,
            )  # fmt: skip
            found.append(test)
    return tuple(found)


def labelled(
    network: Network, info: WeightsInfo, by: By | None, part: Part, dataset: Dataset
) -> tuple[Sequence[str], Part]:
    """The classes that are asked for, and the part with its labels as places in them."""
    if by is None and network.classes == (ANY,):
        return dataset.classes, part
    if by is None:
        return network.classes, relabelled(part, dataset, info)
    names_of(network, by.classes)  # refuses classes that it has not learnt
    return by.classes, relabelled(part, dataset, replace(info, classes=list(by.classes)))


def tuned(info: WeightsInfo) -> Tuned:
    """The layers that learnt to place boxes; all of them where nothing is said."""
    said = info.provenance.get("settings", {}).get("tune")
    return said if said in get_args(Tuned) else "all"
