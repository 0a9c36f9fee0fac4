# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Search the parameters of the CRF after a method on a validation set.

The method segments each frame once; then its CRF is run again and again with other parameters. Of
--method semantic the mean IU is raised, of methods that give objects the boundary F. A search
that is stopped goes on with the same arguments and --log. Ends with the --set words of the best.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seg_ros.core.options import Options, OptionSpec
    from seg_ros.crf.dense_search import Score
    from seg_ros.segmenters import Segmenter

HELP = 'search parameters on a validation set'
DEFAULT_TRIALS = 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._method import add_method_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('subject', choices=('crf',), metavar='SUBJECT', help='crf')
    parser.add_argument('folder', type=Path, metavar='FOLDER',
                        help='frames with NAME-classes.png (semantic) or NAME-labels.png')
    parser.add_argument('--search', choices=('coordinate', 'random'), default='coordinate')
    parser.add_argument('--trials', type=int, default=DEFAULT_TRIALS,
                        help='trials at most (default: %(default)s)')
    parser.add_argument('--frames', type=int, default=40,
                        help='frames, evenly spaced; all stay in memory (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='of --search random')
    parser.add_argument('--log', type=Path, metavar='FILE', help='keep trials; go on from them')
    parser.add_argument('--classes', default='auto', help='as seg_ros evaluate has it')
    parser.add_argument('--split', default='val', help='as seg_ros evaluate has it')
    add_method_arguments(parser)


def run(args: argparse.Namespace) -> int:
    """Print the trials and the best values."""
    from seg_ros.cli._method import load_segmenter
    from seg_ros.crf.dense_search import TrialLog, coordinate_search, random_search

    if args.trials < 1 or args.frames < 1:
        raise ValueError(f'--trials {args.trials} --frames {args.frames}: 1 or more')
    segmenter = load_segmenter(args)
    options, specs = searched(segmenter.options)
    start = {spec.name: getattr(options, spec.name) for spec in specs}
    measure, score = SCORERS[type_of(segmenter)](args, segmenter, options)
    log = TrialLog(args.log, _setting(args), _told(measure, score))
    best, highest = (
        coordinate_search(specs, start, log, args.trials) if args.search == 'coordinate'
        else random_search(specs, start, log, args.trials, args.seed))
    print(f'{measure} {log.score(start):.4f} -> {highest:.4f}, {log.made} new trials')
    print(' '.join(f'--set {name}={value:g}' for name, value in best.items()))
    return 0


def searched(options: Options) -> tuple[Any, list[OptionSpec]]:
    """Return the options with their CRF on, and the specs of what is searched: numbers above 0.

    ValueError for a method without a CRF.
    """
    names = {spec.name for spec in options.specs()}
    switch = next((name for name in ('crf', 'refine') if name in names), None)
    if switch is None:
        raise ValueError('this method has no CRF: semantic, unseen_objects and mask_rcnn have')
    if getattr(options, switch) == 'none':
        options = options.replaced(**{switch: 'dense' if switch == 'crf' else 'crf'})
    apart = {'crf_iterations'}
    apart |= ({name for name in names if name.startswith('crf_') and name != 'crf_contrast_weight'}
              if getattr(options, switch) == 'grid' else {'crf_contrast_weight'})
    return options, [
        spec for spec in options.specs()
        if spec.name.startswith(f'{switch}_') and spec.name not in apart
        and spec.type is float and getattr(options, spec.name) > 0]


def type_of(segmenter: Segmenter) -> str:
    """Return what a segmenter gives: semantic or instances."""
    from seg_ros.segmenters import METHODS

    return METHODS[segmenter.method].result


def _classes_scorer(
    args: argparse.Namespace, segmenter: Any, options: Any
) -> tuple[str, Score]:
    """Return the mean IU of values, over frames whose probabilities are made once."""
    from seg_ros.core.results import SemanticMap
    from seg_ros.crf.dense_refine import refine_probabilities
    from seg_ros.evaluation.class_truth import open_class_frames
    from seg_ros.evaluation.semantic_folder import evaluate_classes
    from seg_ros.evaluation.sources import evenly

    frames = open_class_frames(args.folder, args.split)
    names = evenly(frames.names, args.frames)
    segmenter.options = segmenter.options.replaced(crf='none')
    made = {name: segmenter.probabilities(frames.frame(name)) for name in names}

    def score(values: dict[str, float]) -> float:
        chosen = options.replaced(**values)

        def predict(name: str) -> SemanticMap:
            found = refine_probabilities(made[name], frames.frame(name), chosen)
            return SemanticMap(found.argmax(axis=0), segmenter.class_names)

        found = evaluate_classes(frames, names, predict, args.classes)
        if found.scores is None or found.failed:
            raise ValueError(f'{len(found.failed)} frames could not be scored: {found.failed}')
        figures = found.scores.summary()
        return float(figures['mean_iu'] if figures.get('mean_iu') is not None
                     else figures['object_iu'])

    return 'mean IU', score


def _objects_scorer(
    args: argparse.Namespace, segmenter: Any, options: Any
) -> tuple[str, Score]:
    """Return the mean boundary F of values, over frames that are segmented once."""
    from seg_ros.core.io import FrameFolder
    from seg_ros.crf.dense_refine import refine_instances
    from seg_ros.evaluation.folder import evaluate_folder
    from seg_ros.evaluation.sources import Camera, CameraFolder

    frames = CameraFolder(FrameFolder(args.folder), Camera(), args.frames)
    segmenter.options = segmenter.options.replaced(refine='none')
    made = {name: segmenter.segment(frames.frame(name)) for name in frames.names}

    def score(values: dict[str, float]) -> float:
        chosen = options.replaced(**values)
        found = evaluate_folder(frames, lambda name: refine_instances(
            frames.frame(name), made[name], chosen).labels)
        return found.mean().boundary_f

    return 'boundary F', score


SCORERS: dict[str, Callable[..., tuple[str, Any]]] = {
    'semantic': _classes_scorer, 'instances': _objects_scorer}


def _setting(args: argparse.Namespace) -> dict[str, object]:
    return {name: str(getattr(args, name)) for name in (
        'folder', 'method', 'network', 'weights', 'assignments', 'frames', 'search', 'seed',
        'classes', 'split')}


def _told(measure: str, score: Score) -> Score:
    def told(values: dict[str, float]) -> float:
        found = score(values)
        shown = ' '.join(f'{name}={value:g}' for name, value in values.items())
        print(f'{measure} {found:.4f}: {shown}', file=sys.stderr)
        return found

    return told
