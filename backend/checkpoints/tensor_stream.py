"""A .safetensors file, written tensor by tensor: no more than one of them is in memory."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from backend.checkpoints.weight_file import DTYPES
from backend.errors import WebUIError
from backend.upload import check_disk, take_name, unwritable

_NAMES: Mapping[torch.dtype, str] = {dtype: name for name, dtype in DTYPES.items()}
_ALIGNED = 8  # bytes: the header is filled up with spaces, as safetensors itself does


class Form(NamedTuple):
    """Of a tensor that is not there yet."""

    dtype: torch.dtype
    shape: tuple[int, ...]

    @property
    def bytes(self) -> int:
        return self.dtype.itemsize * torch.Size(self.shape).numel()


def write_stream(
    target: Path,
    part: str,
    forms: Mapping[str, Form],
    metadata: Mapping[str, str],
    read: Callable[[str], Tensor],
    *,
    replace: bool,
    each: Callable[[int], None],
) -> None:
    """read: gives the tensor of a name, in its form; each: hears how many are done, and may raise.

    The file has its name when it is whole and on the disk; before, and after any error, there is nothing of it.
    Raises WebUIError if there is a file already (unless replace), or no room.
    """
    names = sorted(forms, key=lambda name: (-forms[name].dtype.itemsize, name))  # so that every tensor begins at a multiple of its numbers' size
    header = _header(names, forms, metadata)
    temporary = target.with_name(part)
    try:
        check_disk(target, len(header) + sum(form.bytes for form in forms.values()))
        with temporary.open("xb") as file:
            file.write(header)
            for number, name in enumerate(names, 1):
                tensor = read(name)
                assert Form(tensor.dtype, tuple(tensor.shape)) == forms[name], name
                file.write(tensor.contiguous().view(-1).view(torch.uint8).numpy().data)
                each(number)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            os.replace(temporary, target)
        else:
            take_name(temporary, target)
    except FileExistsError as error:
        raise WebUIError(f"There is a file {target.name} already: delete or rename one of the two.") from error
    except OSError as error:
        raise unwritable(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


def _header(names: list[str], forms: Mapping[str, Form], metadata: Mapping[str, str]) -> bytes:
    """With its length before it."""
    place = 0
    content: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    for name in names:
        form = forms[name]
        content[name] = {"dtype": _NAMES[form.dtype], "shape": list(form.shape), "data_offsets": [place, place + form.bytes]}
        place += form.bytes
    text = json.dumps(content, ensure_ascii=False).encode()
    text += b" " * (-len(text) % _ALIGNED)
    return len(text).to_bytes(8, "little") + text
