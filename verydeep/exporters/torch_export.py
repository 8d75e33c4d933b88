"""Our networks for PyTorch without our code: `.pt2` files of torch.export.

In go RGB pictures as they are, uint8 [B, H, W, 3]; out come scores and posteriors, [B, K] each, or
the embeddings of each position, [B, D, h, w].
`Network` takes another way for each size of map, and a file can hold but one: here FC rows are
convolutions at every size, so that batch, height and width may be any.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.fx.experimental import _config as fx_config
from torch.nn import functional as F

from verydeep.errors import UserError, one_line
from verydeep.files import atomic_file
from verydeep.nets import rows
from verydeep.nets.network import Network, Rules
from verydeep.nets.rows import PICTURE
from verydeep.nets.table import Table
from verydeep.weights import metadata

ABOUT = f"{metadata.KEY}.json"
"""The file inside that says pixels, classes and table."""


def write_torch_export(network: Network, path: Path | str) -> str:
    """Writes a network's `.pt2`; says what goes in and comes out.

    Raises UserError for another suffix, or where the file cannot be written.
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise UserError(f"{path} does not end in .pt2, which torch.export asks for")
    try:
        program = exported(network)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_file(path) as file:
            torch.export.save(program, file, extra_files={ABOUT: metadata.to_text(network)})
    except (OSError, RuntimeError) as error:
        raise UserError(f"cannot write {path}: {one_line(error)}") from None
    come = "come scores and posteriors"
    if network.table.is_embedding:
        come = "comes the embedding of each position"
    if network.table.places:
        come = f"come {network.table.places.kind} in shares of the crop of each position"
    return f"in go RGB pictures, uint8 [B, H, W, 3]; out {come}"


def exported(network: Network) -> torch.export.ExportedProgram:
    """The network as a program of PyTorch's operators, with the network's own tensors.

    Raises UserError for a row whose rounding no program can have at every size.
    """
    if network.table.placed:
        raise UserError(
            f"torch.export takes pictures of any size, and '{network.table.placed}' of "
            f"{network.table.name} is made for those of {network.table.crop}; keep our own file"
        )
    for row in network.table.rows:
        if not (isinstance(row, rows.Pool) and row.up):
            continue
        if not isinstance(row, rows.MaxPool) or row.kernel < row.padding + row.stride:
            raise UserError(
                f"torch.export has no place for '{row.name}' of {network.table.name}, which "
                f"rounds up; take --to onnx or openvino"
            )
    side = network.table.least
    dim = torch.export.Dim
    sizes = {0: dim("B"), 1: dim("H", min=side), 2: dim("W", min=side)}
    shown = torch.zeros(2, side + 96, side + 160, 3, dtype=torch.uint8)
    form, training = _Form(network), network.training
    form.eval()
    # else a map of one position, which a training crop gives, would be a case by itself
    one_as_any = fx_config.patch(backed_size_oblivious=True)  # type: ignore[attr-defined]
    with torch.no_grad(), one_as_any:
        program = torch.export.export(form, (shown,), dynamic_shapes=(sizes,))
    network.train(training)
    return program


class _Form(nn.Module):
    """A network's rows, with its pixels before and the mean over space after them."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        pixels = network.pixels
        std, mean = torch.tensor(pixels.std), torch.tensor(pixels.mean)
        self.register_buffer("gain", (pixels.maximum / 255 / std)[:, None, None])
        self.register_buffer("offset", -(mean / std)[:, None, None])

    def forward(
        self, pictures: UInt8[Tensor, "B H W 3"]
    ) -> tuple[Float[Tensor, "B K"], Float[Tensor, "B K"]] | Float[Tensor, "B N h w"]:
        """Scores and posteriors; of a net of places or embeddings, these at each position."""
        if self.network.pixels.order == "BGR":
            pictures = pictures.flip(3)
        for axis in (1, 2):
            pictures = _shown(pictures, axis, self.network.table)
        # in this order in memory, whose strides say nothing of sizes
        images = pictures.permute(0, 3, 1, 2).float().contiguous()
        images = images * self.get_buffer("gain") + self.get_buffer("offset")
        table = self.network.table
        found = self.network.run({PICTURE: images}, [table.learnt], RULES)[table.learnt]
        if table.places or table.is_embedding:
            return found
        scores = found.mean((2, 3))
        return scores, self.network.likely(scores)


def _convolved(row: rows.FC, layer: nn.Module, values: Tensor) -> Float[Tensor, "B D h w"]:
    """An FC row as a convolution at every size."""
    return F.conv2d(values, layer.get_parameter("weight"), layer.get_parameter("bias"))


def _pooled(row: rows.MaxPool, layer: nn.Module, values: Tensor) -> Float[Tensor, "B C h w"]:
    """Max-pooling, rounded down once so much of minus infinity stands around as it would look at.

    Of squares that do not overlap it is in a form that PyTorch 2.11 exports too. A pool that rounds
    up is right like that where its last window begins before the end, which `exported` looks at.
    """
    side, stride, before = row.kernel, row.stride, row.padding
    after = before + (stride - 1 if row.up else 0)
    if after:
        values = F.pad(values, (before, after, before, after), value=float("-inf"))
    if side != stride:
        return F.max_pool2d(values, side, stride)
    return values.unfold(2, side, side).unfold(3, side, side).amax((4, 5))


RULES: Rules = {rows.FC: _convolved, rows.MaxPool: _pooled}


def _shown(pictures: UInt8[Tensor, "B H W 3"], axis: int, net: Table) -> UInt8[Tensor, "B h w 3"]:
    """The part of a side that `Table.shown` tells of, in a form that holds for every size."""
    side = pictures.shape[axis]
    covered = net.span + (side - net.least) // net.step * net.step
    kept = covered if net.span == net.least else torch.sym_min(side, covered)
    places = torch.arange(kept, device=pictures.device) + (side - kept) // 2
    return pictures.index_select(axis, places)
