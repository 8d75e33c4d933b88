"""Names in a state dict -> those of a VGG alone, whatever modules wrap it and stand beside it.

A VGG is found by its first convolution: a filter over three channels under a number, as
"backbone.features.0" or fastai's "0.0.0", or under conv1_1. What its name begins with is where the
trunk is; FC layers are beside it. What else there is has no place: layers of a head of the user's
own may be left out, with a note, and what tells that it is something else is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from verydeep.errors import one_line
from verydeep.importers.other_nets import out_of_place
from verydeep.limits import FormatError

FEATURE = re.compile(r"features\.(\d{1,3})\.(?:(conv|bn)\.)?(weight|bias|running_mean|running_var)")
PAPERS = re.compile(r"((?:conv|bn)\d{1,2}_\d{1,2}|fc[678])\.\w+")
"""Names of the paper's, which are Caffe's and ours."""
EXPECTED = "expected are features.N and classifier.N, timm's names, or conv1_1 ... fc8"
AVERAGES = re.compile(
    r"(?:(?:model|state_dict|net)_)?(?:ema|swa)(?:_(?:model|state_dict|state|net|weights))?"
)
"""What trainers call an average of the weights that they keep beside them."""
_FIRST = re.compile(r"((?:[^.]+\.)*)(?:\d{1,3}(?:\.conv)?|conv1_1)\.weight")
"""The name of a first convolution, and what its trunk's names begin with."""
BARE = re.compile(FEATURE.pattern.removeprefix(r"features\."))
"""The names in the state dict of a net's `features` alone, or of the first of them."""
_TOP = re.compile(r"classifier\.\d{1,3}\.\w+|(?:pre_logits\.fc[12]|head\.fc|fc[678])\.\w+")
_NUMBERED = re.compile(r"(\d+)\.(\d{1,3}\.\w+)")
"""A layer of a module that is known by its number, as those of `nn.Sequential(*net.children())`."""
_PARALLEL = re.compile(r"((?:^|\.)features\.)module\.")
"""What is put before the names of `features` where they alone are shared out over devices."""
_LOSS = re.compile(r"(?:criterion|loss|loss_fn|loss_func)\.\w+")
"""Weights of classes in a loss, which is no layer."""
_PIXELS = re.compile(r"(?:.*[._])?(?:mean|std)")
"""What modules that normalise pictures keep, three values each."""
_OF_LAYERS = ("weight", "bias", "running_mean", "running_var")
_LEAST_CONVOLUTIONS = 8
"""Those of A."""


@dataclass(frozen=True)
class Placed:
    """The tensors of a VGG as torchvision, timm or the paper names them, in the file's order.

    `theirs` has the file's own name of each, `left` those that are at no place of a VGG, and
    `notes` tell in a line each what a user should know.
    """

    state: dict[str, Tensor]
    theirs: dict[str, str] = field(default_factory=dict)
    left: Mapping[str, Tensor] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def placed(
    found: Mapping[str, Tensor], which: str | None = None, sets: Sequence[str] = ()
) -> Placed:
    """The VGG among tensors by name; `which` is the module of the one to take, of several.

    `sets` are those that the file keeps apart. Raises FormatError where there is none of that name,
    or where a tensor comes before the net.
    """
    names = {name: _PARALLEL.sub(r"\1", name) for name in found}
    if len({*names.values()}) < len(names):
        raise FormatError("it has one name twice in it", "save the model's state_dict alone")
    firsts = [names[name] for name, t in found.items() if t.ndim == 4 and t.shape[1] == 3]
    befores = [match[1] for name in firsts if (match := _FIRST.fullmatch(name))]
    if not befores and which is None:
        return Placed({names[name]: tensor for name, tensor in found.items()})
    before, others = chosen(befores, names, which, sets)
    ours = {name: _our_name(names[name], before) for name in found}
    ours |= _numbered_tops(names, ours, before)
    left = [n for n in found if not ours[n] and not any(_is_of(names[n], o) for o in others)]
    losses = [name for name in left if _LOSS.search(name)]
    pixels = [n for n in left if _PIXELS.fullmatch(n) and found[n].numel() == 3]
    left = [name for name in left if name not in losses and name not in pixels]
    _refuse_before(found, left, ours)
    notes = [another_set(label(before), label(other)) for other in others if which is None]
    notes += [f"{one_line(losses[0])} is of a loss, and is passed over"] if losses else []
    if pixels:
        several = " and ".join(one_line(name) for name in pixels[:2])
        notes.append(f"{several} of three values {'are' if len(pixels) > 1 else 'is'} passed over: "
                     f"where they are of its pixels, give those with --pixels")  # fmt: skip
    return Placed(
        {ours[name]: tensor for name, tensor in found.items() if ours[name]},
        {ours[name]: name for name in found if ours[name]},
        {name: found[name] for name in left},
        tuple(notes),
    )


def chosen(
    befores: Sequence[str], names: Mapping[str, str], which: str | None, sets: Sequence[str]
) -> tuple[str, list[str]]:
    """What the names of the trunk to take begin with, and of those of other nets."""
    counts = {b: sum(n.startswith(b) and n.endswith(".weight") for n in names.values())
              for b in befores}  # fmt: skip
    whole = [b for b in counts if counts[b] >= _LEAST_CONVOLUTIONS] or [*befores[:1]]
    own = [b for b in whole if not any(map(AVERAGES.fullmatch, b.split(".")))]
    asked = [b for b in whole if which in (label(b), b.rstrip("."))]
    if which is not None and not asked:
        labels = [label(before) for before in whole]
        raise no_set(which, [*sets, *(each for each in labels if each != "features")])
    taken = (asked or own or whole)[0]
    return taken, [b for b in whole if b != taken]


def _is_of(name: str, before: str) -> bool:
    """Whether a tensor is of another net, or of the module that holds it."""
    return bool(_our_name(name, before)) or name.startswith(f"{label(before)}.")


def no_set(which: str, sets: Iterable[str]) -> FormatError:
    """What is raised where the weights that were asked for are not there."""
    there = ", ".join(f"'{one_line(each)}'" for each in sets if each) or "one, without a name"
    return FormatError(f"it has no set of weights '{one_line(which)}'", f"there is {there}")


def another_set(taken: str, other: str) -> str:
    """The note of a set of weights that lies beside the one that is taken."""
    average = "an average of them, " if any(map(AVERAGES.fullmatch, other.split("."))) else ""
    taken, other = one_line(taken), one_line(other)
    return (
        f"there are two sets of weights, '{taken}' and {average}'{other}'; '{taken}' is taken: "
        f"import it with --which {other} for the other"
    )


def label(before: str) -> str:
    """What a set of weights is called whose trunk's names begin so: the module that holds it."""
    *parents, last = before.rstrip(".").split(".")
    within = last == "features" or last.isdigit()
    return ".".join(parents) if parents and within else before.rstrip(".")


def _our_name(name: str, before: str) -> str:
    """A tensor's name as the families have it; empty for what is neither trunk nor top."""
    if name.startswith(before):
        rest = name.removeprefix(before)
        if PAPERS.fullmatch(rest):
            return rest
        if BARE.fullmatch(rest):
            return f"features.{rest}"
    parent = before.rstrip(".").rpartition(".")[0]
    rest = name.removeprefix(f"{parent}." if parent else "")
    return rest if _TOP.fullmatch(rest) and name.startswith(parent) else ""


def _numbered_tops(
    names: Mapping[str, str], ours: Mapping[str, str], before: str
) -> dict[str, str]:
    """The classifier of a net whose modules have numbers: what else has one beside its trunk."""
    parent, _, own = before.rstrip(".").rpartition(".")
    if not own.isdigit():
        return {}
    start = f"{parent}." if parent else ""
    rests = {name: _NUMBERED.fullmatch(n.removeprefix(start)) for name, n in names.items()
             if not ours[name] and n.startswith(start)}  # fmt: skip
    tops = {name: f"classifier.{match[2]}" for name, match in rests.items() if match}
    groups = {match[1] for match in rests.values() if match}
    return tops if len(groups) == 1 and int(groups.pop()) > int(own) else {}


def _refuse_before(found: Mapping[str, Tensor], left: list[str], ours: Mapping[str, str]) -> None:
    """Raises FormatError for what has no place and is done before the net, or within it.

    Filters over three channels are of a picture, wherever they stand. A module's names are in the
    order of its layers, but in files that sort them; its own values, such as a temperature, stand
    before those of its layers.
    """
    order = [*found]
    first = next(i for i, name in enumerate(order) if ours[name])
    early = order[:first] if order != sorted(order) else []
    wrong = [
        name
        for name in left
        if "features." in name
        or (found[name].ndim == 4 and found[name].shape[1] == 3)
        or (name in early and (name.endswith(_OF_LAYERS) or found[name].numel() == 3))
    ]
    if wrong:
        raise FormatError(f"it has {out_of_place(wrong)}", EXPECTED)
