# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Write a method's network as a file for other runtimes.

Batch and image size stay free. The file is read back and compared with torch at two sizes; one
that differs by more than 1e-3 of an output's scale is not left behind.
"""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "write a method's network as ONNX, OpenVINO or TorchScript"
FORMATS = {'onnx': '.onnx', 'openvino': '.xml', 'torchscript': '.pt'}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    parser.add_argument('--method', default='unseen_objects', choices=('unseen_objects',),
                        help='method (default: %(default)s)')
    parser.add_argument('--weights', default='default',
                        help="weights file, or 'default' for those that ship")
    parser.add_argument('--format', default='onnx', choices=tuple(FORMATS),
                        help='format (default: %(default)s)')
    parser.add_argument('--output', type=Path, metavar='FILE',
                        help='file to write (default: METHOD with the suffix of the format)')


def run(args: argparse.Namespace) -> int:
    """Write the file and print what its inputs and outputs are."""
    from seg_ros.backends.export_files import export_file
    from seg_ros.networks.inputs import example_inputs
    from seg_ros.unseen.checkpoint import network_of_weights
    from seg_ros.weights import load_weights

    loaded = network_of_weights(load_weights(args.weights, method=args.method))
    examples = example_inputs(loaded.preprocessing, loaded.input_size)
    path = args.output or Path(args.method).with_suffix(FORMATS[args.format])
    written = export_file(loaded.network.eval(), examples, path, args.format)
    print(f'wrote {", ".join(map(str, written))}: {loaded.architecture}, fusion {loaded.fusion}')
    for name, example in zip(('colour', 'XYZ in metres'), examples, strict=True):
        shape = 'x'.join(('N', *map(str, example.shape[1:])))
        print(f'  takes {name}: {shape} float32, height and width free')
    print(f'  preprocessing of colour: {loaded.preprocessing.as_dict()}')
    return 0
