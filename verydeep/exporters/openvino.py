"""Our networks for OpenVINO: its two files (`.xml`, `.bin`), made by itself of our ONNX.

In goes what goes into that; weights stay float32.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from verydeep.errors import UserError, one_line
from verydeep.exporters.onnx import write_onnx
from verydeep.files import names_to_disk, to_disk
from verydeep.nets.network import Network
from verydeep.weights import metadata


def write_openvino(network: Network, path: Path | str) -> str:
    """Writes a network's `.xml` and, beside it, `.bin`; says what goes in and comes out.

    What our files say of pixels, classes and table is under "verydeep" in its `rt_info`. Raises
    UserError without `openvino`, for another suffix, or where the files cannot be written.
    """
    path = Path(path)
    if path.suffix != ".xml":
        raise UserError(f"{path} does not end in .xml, which OpenVINO asks for")
    try:
        import openvino
    except ImportError:
        raise UserError(
            "OpenVINO's files are written by openvino, which is missing: `pip install openvino`"
        ) from None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{path.name}.", dir=path.parent) as folder:
            made = Path(folder, path.name)
            said = write_onnx(network, made.with_suffix(".onnx"))
            model = openvino.Core().read_model(made.with_suffix(".onnx"))
            model.set_rt_info(metadata.to_text(network), metadata.KEY)
            openvino.save_model(model, made, compress_to_fp16=False)
            for file in (path.with_suffix(".bin"), path):
                _move(made.with_suffix(file.suffix), file)
        names_to_disk(path.parent)
    except (OSError, RuntimeError) as error:
        raise UserError(f"cannot write {path}: {one_line(error)}") from None
    return f"its weights are in {path.with_suffix('.bin').name}; {said}"


def _move(file: Path, place: Path) -> None:
    with file.open("rb+") as written:
        to_disk(written)
    file.replace(place)
