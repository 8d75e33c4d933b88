"""What loads a state dict that was written for torchvision or timm: Python that makes their net.

In comes a table of ours; out goes the call of a constructor where theirs is the same net, or else
statements that build one from their classes. Both have A, B, D and E alone, of 64 to 512 channels,
FC layers of 4096 over 7 x 7 positions, and norms everywhere or nowhere.
"""

from __future__ import annotations

from verydeep.importers.torchvision_names import Peer, peer_of
from verydeep.nets import named, vgg
from verydeep.nets.rewording import with_classes, with_norms
from verydeep.nets.rows import FC, BatchNorm, Conv, MaxPool, Row, WholeAvePool
from verydeep.nets.table import Table

CONSTRUCTORS = {"A": "vgg11", "B": "vgg13", "D": "vgg16", "E": "vgg19"}
"""What both families call the configurations of Table 1 that they have."""


def averages(table: Table) -> bool:
    """Whether the classes come from the mean of the last map over space."""
    return any(isinstance(row, WholeAvePool) for row in table.rows)


def loaded_by(table: Table, family: str) -> str:
    """What loads the state dict of a table's net in a family, in words."""
    peer = peer_of(table, family)
    if peer is not None:
        return _of_peer(peer, table, family)
    name = _constructor(table)
    if name is None:
        code = "; ".join(_torchvision(table) if family == "torchvision" else _timm(table))
        return f"it is loaded by this net, of {family}.models.vgg and torch.nn: {code}"
    if family == "torchvision":
        return f"it is loaded by torchvision.models.{name}(num_classes={table.class_count})"
    return f'it is loaded by timm.create_model("{name}", num_classes={table.class_count})'


def _of_peer(peer: Peer, table: Table, family: str) -> str:
    """What loads the state dict of one of torchvision's nets beside VGG."""
    published = named.NETS[peer.net].words
    if table.words != with_classes(published, table.class_count):
        return (
            f"its names are those of {family}'s {peer.function}, whose constructor makes other "
            f"widths; `weights import` reads it"
        )
    if family == "timm":
        return (
            f'it is loaded by timm.create_model("{peer.function}", num_classes={table.class_count})'
        )
    return (
        f"it is loaded by torchvision.models.{peer.function}(num_classes={table.class_count}"
        f"{peer.more})"
    )


def _constructor(table: Table) -> str | None:
    """The function of both families that makes this net, where there is one."""
    for letter, name in CONSTRUCTORS.items():
        standard = vgg.table(letter, max(2, table.class_count))
        if table.first_fc.kernel == standard.first_fc.kernel:
            if table.words == standard.words:
                return name
            if table.words == with_norms(standard.words):
                return f"{name}_bn"
    return None


def _torchvision(table: Table) -> list[str]:
    side, (columns, *channels) = table.first_fc.kernel, _sizes(table)
    layers = _list(table)
    norms = table.has_norms
    made = _sequential(table) if layers is None else f"make_layers({layers}, batch_norm={norms})"
    net = f"net = VGG({made}, num_classes={table.class_count})"
    if averages(table):
        linear = f"Linear({columns}, {channels[0]})"
        return [net, "net.avgpool = AdaptiveAvgPool2d(1)", f"net.classifier = {linear}"]
    sizes = zip([columns * side**2, *channels], channels, strict=False)
    return [
        net,
        f"net.avgpool = AdaptiveAvgPool2d(({side}, {side}))",
        *(
            f"net.classifier[{place}] = Linear({i}, {o})"
            for place, (i, o) in zip((0, 3, 6), sizes, strict=True)
        ),
    ]


def _timm(table: Table) -> list[str]:
    side, (columns, *channels) = table.first_fc.kernel, _sizes(table)
    layers = _list(table)
    norms = table.has_norms
    norm_layer = ", norm_layer=BatchNorm2d" if norms else ""
    net = [
        f"net = VGG({layers or []}, num_classes={table.class_count}{norm_layer})",
        *([f"net.features = {_sequential(table)}"] if layers is None else []),
    ]
    if averages(table):
        linear = f"net.head.fc = Linear({columns}, {channels[0]})"
        return [*net, "net.pre_logits = Identity()", linear]
    fc6, fc7, classes = channels
    return [
        *net,
        f"net.pre_logits.input_kernel_size = {side}",
        f"net.pre_logits.fc1 = Conv2d({columns}, {fc6}, {side})",
        f"net.pre_logits.fc2 = Conv2d({fc6}, {fc7}, 1)",
        f"net.head.fc = Linear({fc7}, {classes})",
    ]


def _sizes(table: Table) -> list[int]:
    """Channels of what the first FC row reads, and of each FC row."""
    shapes = table.shapes(table.crop, table.crop)
    fcs = [row.channels for row in table.rows if isinstance(row, FC)]
    return [shapes[table.first_fc.inputs[0]][0], *fcs]


def _trunk(table: Table) -> list[Row]:
    """The rows before those of the classifier."""
    rows = table.rows[: table.rows.index(table.first_fc)]
    return [row for row in rows if not isinstance(row, WholeAvePool)]


def _list(table: Table) -> list[int | str] | None:
    """The rows before the FC rows as both families list them, where they can."""
    rows = _trunk(table)
    convs = [row for row in rows if isinstance(row, Conv)]
    norms = sum(isinstance(row, BatchNorm) for row in rows)
    up = any(isinstance(row, MaxPool) and row.up for row in rows)
    if up or norms not in (0, len(convs)) or any(row.kernel != 3 for row in convs):
        return None
    return ["M" if isinstance(row, MaxPool) else row.channels
            for row in rows if isinstance(row, Conv | MaxPool)]  # fmt: skip


def _sequential(table: Table) -> str:
    """The rows before the FC rows one by one, as PyTorch's modules."""
    shapes = table.shapes(table.crop, table.crop)
    modules = []
    for row in _trunk(table):
        channels = shapes[row.inputs[0]][0]
        match row:
            case Conv():
                window = f"{row.kernel}, padding={row.padding}"
                modules.append(f"Conv2d({channels}, {row.channels}, {window})")
            case BatchNorm():
                modules.append(f"BatchNorm2d({channels})")
            case MaxPool():
                modules.append(f"MaxPool2d({row.kernel}{', ceil_mode=True' * row.up})")
            case _:
                modules.append("ReLU()")
    return f"Sequential({', '.join(modules)})"
