# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Read and write weights files; nothing in a file is ever executed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from seg_ros.core.io import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

FOLDER = Path(__file__).parent
MAX_FILE_BYTES = 2 << 30
MAX_HEADER_BYTES = 1 << 22
METADATA_KEY = 'seg_ros'
# What checkpoints of Carvana's U-Net hold beside tensors: the grey levels of its masks.
_DROPPED_KEYS = ('mask_values',)
_TORCH_SUFFIXES = ('.pth', '.pt', '.ckpt', '.tar')


@dataclass(frozen=True, eq=False)
class Weights:
    """Hold a state dict with what its maker said of it.

    ``metadata`` has ``method``, ``architecture`` and ``config`` (fusion, input size,
    preprocessing, class names); it is empty for a foreign checkpoint.
    """

    state: dict[str, Tensor]
    metadata: dict[str, Any]
    path: Path


def shipped_names() -> tuple[str, ...]:
    """Return the names of the weights that ship with the package."""
    return tuple(sorted(path.stem for path in FOLDER.glob('*.safetensors')))


def weights_path(name: str | Path, method: str) -> Path:
    """Resolve 'default', a shipped name or a file to a path.

    FileNotFoundError says where weights come from.
    """
    wanted = method if str(name) in ('', 'default') else str(name)
    for stem in (wanted, f'{method}_{wanted}'):
        if stem in shipped_names():
            return FOLDER / f'{stem}.safetensors'
    path = Path(wanted).expanduser()
    if path.is_file():
        return path
    raise FileNotFoundError(
        f'no weights at {path}: shipped are {", ".join(shipped_names()) or "none"}; others are '
        f'made by `seg_ros train {method}` or copied there by hand: give the path of a '
        '.safetensors or .pth file'
    )


def load_weights(
    name: str | Path = 'default', *, method: str, also: tuple[str, ...] = ()
) -> Weights:
    """Load weights by 'default', shipped name or path: .safetensors, or a torch checkpoint.

    A torch file is read with ``weights_only=True``: code in it is refused. Raises
    FileNotFoundError, and ValueError for a file that is no checkpoint, is too large, or was made
    for another method than this one and those in ``also``.
    """
    path = weights_path(name, method)
    _check_file_size(path)
    if path.suffix == '.safetensors':
        weights = _load_safetensors(path)
    elif path.suffix in _TORCH_SUFFIXES:
        weights = Weights(_load_torch(path), {}, path)
    else:
        raise ValueError(f'{path}: weights end in .safetensors or {", ".join(_TORCH_SUFFIXES)}')
    made_for = weights.metadata.get('method', method)
    if made_for not in (method, *also):
        raise ValueError(f'{path} holds weights of {made_for}, not of {method}')
    return weights


def save_weights(
    path: str | Path, state: Mapping[str, Tensor], metadata: Mapping[str, Any]
) -> None:
    """Write a state dict as safetensors, floating point in float16, with JSON metadata.

    Values beyond the range of float16 raise ValueError.
    """
    import torch
    from safetensors.torch import save

    tensors = {}
    for key, tensor in state.items():
        half = tensor.detach().cpu().contiguous()
        half = half.to(torch.float16) if half.is_floating_point() else half
        if half.is_floating_point() and not torch.isfinite(half).all():
            raise ValueError(f'{key} does not fit into float16: up to 65504 in magnitude')
        tensors[key] = half
    write_atomically(path, save(tensors, metadata={METADATA_KEY: json.dumps(dict(metadata))}))


def _check_file_size(path: Path) -> None:
    size = path.stat().st_size
    if not 8 < size <= MAX_FILE_BYTES:
        raise ValueError(f'{path} has {size} bytes: weights have 9 to {MAX_FILE_BYTES}')


def _load_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open

    _check_safetensors_header(path)
    try:
        with safe_open(path, framework='pt') as file:
            text = (file.metadata() or {}).get(METADATA_KEY, '{}')
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f'{path} is not a safetensors file, or it is cut off: {error}') from None
    return Weights({key: _as_float32(value) for key, value in state.items()}, _parsed(path, text),
                   path)


def _check_safetensors_header(path: Path) -> None:
    with path.open('rb') as file:
        declared = int.from_bytes(file.read(8), 'little')
    if declared > min(MAX_HEADER_BYTES, path.stat().st_size):
        raise ValueError(f'{path} is not a safetensors file: its header declares {declared} bytes')


def _parsed(path: Path, text: str) -> dict[str, Any]:
    try:
        metadata = json.loads(text)
    except json.JSONDecodeError:
        metadata = None
    if not isinstance(metadata, dict):
        raise ValueError(f'{path}: its metadata is not JSON as seg_ros writes it')
    return metadata


def _load_torch(path: Path) -> dict[str, Tensor]:
    import torch

    _check_unpacked_size(path)
    try:
        content = torch.load(path, map_location='cpu', weights_only=True)
    except Exception as error:  # the unpickler raises whatever the bytes make it raise
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f'{path} is not a checkpoint of tensors alone (a text file, a cut-off file, or a '
            f'pickle that carries code, which is never run): {reason}'
        ) from None
    return _state_dict(path, content)


def _check_unpacked_size(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(entry.file_size for entry in archive.infolist())
    if size > MAX_FILE_BYTES:
        raise ValueError(f'{path} unpacks to {size} bytes: at most {MAX_FILE_BYTES} are read')


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the tensors of a checkpoint: the dict itself, or under one of the usual keys."""
    import torch

    for key in ('model', 'state_dict', 'model_state_dict'):
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ValueError(f'{path} holds {type(content).__name__}, a state dict is accepted')
    content = {key: value for key, value in content.items() if key not in _DROPPED_KEYS}
    wrong = [str(key) for key, value in content.items() if not isinstance(value, torch.Tensor)]
    if wrong:
        raise ValueError(f'{path}: these entries are no tensors: {", ".join(wrong[:5])}')
    state = {str(key).removeprefix('module.'): value for key, value in content.items()}
    return {key: _as_float32(value) for key, value in state.items()}


def _as_float32(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
