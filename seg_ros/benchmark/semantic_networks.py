# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Semantic networks, each by eager torch and the backends, beside torchvision's, in turns."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from seg_ros.backends import Runner, compile_network
from seg_ros.backends.torch_backend import EagerEngine
from seg_ros.benchmark.frames import FreshFrames
from seg_ros.benchmark.harness import Measurement, Subject, measure, paired_ratio
from seg_ros.benchmark.report import Report
from seg_ros.networks.inputs import example_inputs
from seg_ros.networks.preprocessing import Preprocessing, network_inputs
from seg_ros.semantic.architectures import ARCHITECTURES, IMAGENET, build_model
from seg_ros.semantic.checkpoint import METHOD, load_model, semantic_weights
from seg_ros.semantic.model import SemanticModel
from seg_ros.semantic.segmenter import ProbabilityNetwork, most_probable
from seg_ros.weights import shipped_names

EAGER = 'torch, eager'
PEERS = ('lraspp_mobilenet_v3_large', 'deeplabv3_mobilenet_v3_large')
# Classes of random weights: VOC's number, as torchvision's have.
CLASSES = tuple(f'class {number}' for number in range(21))
# Forms of a network beside the one that its name builds by itself.
FORMS: dict[str, dict[str, dict[str, Any]]] = {
    'fcn32s': {'alexnet': {'backbone': 'alexnet'}, 'light': {'backbone': 'light'}},
    'fcn16s': {'light': {'backbone': 'light'}},
    'fcn8s': {'light': {'backbone': 'light'}},
    'deeplab': {'aspp_s': {'head': 'aspp_s'}, 'aspp_l': {'head': 'aspp_l'},
                'stride16': {'output_stride': 16}, 'vgg16': {'backbone': 'vgg16'}},
    'unet': {'light': {'backbone': 'light'}, 'unpadded': {'padded': False}},
}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Form:
    """Name a network to measure: a registered one with a config, or weights that ship."""

    name: str
    network: str
    config: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ''

    def model(self) -> SemanticModel:
        """Return the model in eval mode, with random weights unless its weights ship."""
        if self.weights:
            return load_model(semantic_weights(self.weights)).model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return build_model(self.network, CLASSES, **self.config).eval()


def all_forms() -> list[Form]:
    """Return every registered network, its further forms, and the weights that ship."""
    found = []
    for name in ARCHITECTURES:
        found.append(Form(name, name))
        found += [Form(f'{name}:{form}', name, config)
                  for form, config in FORMS.get(name, {}).items()]
    shipped = [name for name in shipped_names() if name.split('_')[0] == METHOD]
    return found + [Form(f'weights:{name}', '', weights=name) for name in shipped]


def chosen_forms(names: Sequence[str] | None) -> list[Form]:
    """Return the forms of these names, a network's name standing for all its forms; None: all.

    ValueError for a name that none has.
    """
    forms = all_forms()
    if names is None:
        return forms
    known = {form.name for form in forms}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f'--networks {", ".join(unknown)}: unknown; known are {", ".join(sorted(known))}')
    return [form for form in forms if {form.name, form.network} & set(names)]


def measure_networks(
    report: Report, forms: Sequence[Form], backends: Sequence[str], frames: FreshFrames, *,
    iterations: int, warmup: int, progress: Progress = lambda text: None,
    peers: Sequence[str] = PEERS,
) -> None:
    """Add each form by eager torch and by backends, in turns with torchvision's on fresh frames.

    What is timed leads preprocessed images at the frames' size to probabilities (torchvision's:
    to logits) of that size, on the CPU. Backends are compared with eager torch; the findings tell
    how many times as long torchvision's took.
    """
    others = [torchvision_subject(name, frames) for name in peers]
    for form in forms:
        progress(f'network {form.name}')
        model = form.model()
        with tempfile.TemporaryDirectory() as cache:  # random weights must not fill the user's
            ours = list(subjects_of(model, backends, frames, cache))
            found = measure([*(subject for subject, _ in ours), *others], iterations=iterations,
                            warmup=warmup, progress=progress)
        _add(report, form, [note for _, note in ours], found)


def _add(report: Report, form: Form, notes: list[str], found: list[Measurement]) -> None:
    ours, peers = found[:len(notes)], found[len(notes):]
    for measurement, note in zip(ours, notes, strict=True):
        report.add(form.name, measurement, None if measurement is ours[0] else ours[0], note=note)
    for peer in peers:
        report.add(form.name, peer, note='eager')
        report.findings[f'{form.name}: {peer.name} takes times as long'] = {
            each.name: paired_ratio(peer.wall_s, each.wall_s).median for each in ours}


def subjects_of(
    model: SemanticModel, backends: Sequence[str], frames: FreshFrames, cache: str
) -> Iterator[tuple[Subject, str]]:
    """Yield the model by eager torch, then by each backend, with a note on what it ran on.

    A network that cannot be exported has no other than torch.
    """
    network = ProbabilityNetwork(model).eval()
    prepare = prepared(frames, model.preprocessing)
    parameters = sum(value.numel() for value in model.parameters())
    yield Subject(EAGER, EagerEngine(network).run, prepare), f'{parameters / 1e6:.1f} M weights'
    for name in backends:
        if name != 'torch' and not model.exportable:
            continue
        run = compile_network(
            network, example_inputs(model.preprocessing, frames.size), backend=name,
            cache_dir=cache, labelling=most_probable)
        yield (Subject(name, partial(_called, run), prepare),
               '' if run.name == name else f'ran by {run.name}')


def _called(run: Runner, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return run(*inputs)


def prepared(
    frames: FreshFrames, preprocessing: Preprocessing
) -> Callable[[int], tuple[Tensor, ...]]:
    """Return what makes a round's inputs: colour and XYZ of a fresh frame at its own size."""
    def inputs(iteration: int) -> tuple[Tensor, ...]:
        frame = frames[iteration]
        return network_inputs(frame.color, frame.depth, frame.camera, size=frames.size,
                              preprocessing=preprocessing)

    return inputs


class _ColorOnly(nn.Module):
    """Call one of torchvision's segmentation networks as its users do."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, color: Tensor, xyz: Tensor) -> Tensor:
        """Map colour (B, 3, h, w) to logits (B, L, h, w)."""
        logits: Tensor = self.network(color)['out']
        return logits


def torchvision_subject(name: str, frames: FreshFrames) -> Subject:
    """Return torchvision's own network of that name with random weights, run eagerly."""
    from torchvision.models import segmentation

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = getattr(segmentation, name)(
            weights=None, weights_backbone=None, num_classes=len(CLASSES)).eval()
    return Subject(f'torchvision {name}', EagerEngine(_ColorOnly(network)).run,
                   prepared(frames, IMAGENET))
