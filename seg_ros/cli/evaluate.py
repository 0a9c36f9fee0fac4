# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Score a method, or label images made earlier, on a folder with ground truth or on COCO JSON.

Overlap and boundary precision, recall and F, and the share of objects with F above 0.75, per
frame and as the plain mean over frames; --metrics coco|both tells box and mask AP, of classes if
the data set and the results name some. Clean synthetic frames get a simulated camera by --sensor;
--robustness scores them under one trouble after the other, --failures says what went wrong.
--metrics tracking scores the ids over the frames of a sequence (seg_ros synthesize --sequence).

Of --method semantic: pixel accuracy, mean accuracy, mean IU, frequency weighted IU, and the table
of classes, against NAME-classes.png with classes.json or a folder as PASCAL VOC's; where there are
only NAME-labels.png, the IU of objects against the rest.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from seg_ros.core.io import FrameFolder
    from seg_ros.core.results import Candidates, Instances
    from seg_ros.evaluation.coco_metrics import CocoScores
    from seg_ros.evaluation.coco_truth import TruthSource
    from seg_ros.evaluation.failures import FailureCount
    from seg_ros.evaluation.folder import FolderScore, Predict
    from seg_ros.evaluation.sources import CameraFolder
    from seg_ros.evaluation.unseen_metrics import FrameScore, MeanScore
    from seg_ros.segmenters import GivesCandidates

HELP = 'score a method on a folder with ground truth'

_COLUMNS = ('P', 'R', 'F', 'bP', 'bR', 'bF', 'F>.75')


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments."""
    from seg_ros.cli._method import add_method_arguments
    from seg_ros.cli._tracking import add_scoring_arguments

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument('folder', type=Path, metavar='FOLDER',
                        help='folder of frames with NAME-labels.png as ground truth, or a COCO '
                             'JSON file of instances')
    parser.add_argument('--metrics', choices=('unseen', 'coco', 'both', 'tracking'),
                        default='unseen',
                        help='unseen: overlap and boundary (default); coco: box and mask AP; '
                             'tracking: IDF1, MOTA and id switches of a sequence')
    parser.add_argument('--json', type=Path, metavar='FILE', help='write everything to a file')
    parser.add_argument(
        '--predictions', type=Path, metavar='DIR',
        help='score the NAME-labels.png of this folder (and for COCO its objects.json) instead '
             'of running a method',
    )  # fmt: skip
    add_scoring_arguments(parser)
    _add_class_arguments(parser)
    _add_camera_arguments(parser)
    group = parser.add_argument_group('reports')
    group.add_argument('--failures', action='store_true',
                       help='say why objects with F <= 0.75 were not found')
    group.add_argument('--pictures', type=Path, metavar='DIR',
                       help='draw truth and prediction of the 12 worst frames')
    group.add_argument('--robustness', action='store_true',
                       help='score clean synthetic frames under lost depth, noise, darkness ...')
    group.add_argument('--boxes', action='store_true',
                       help='score oriented boxes, fitted within the true masks of synthetic '
                            'scenes, against the true boxes; no method runs')
    group.add_argument('--markdown', type=Path, metavar='FILE',
                       help='write the table of --robustness or --boxes to a file')
    add_method_arguments(parser)


def _add_class_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('classes of pixels (--method semantic)')
    group.add_argument('--classes', default='auto', metavar='NAME',
                       help='which names of the data set are one class: fine, coarse, auto or a '
                            'YAML file, as the network was trained')
    group.add_argument('--split', default='val', metavar='NAME',
                       help="list of images of a folder as PASCAL VOC's (default val)")


def _add_camera_arguments(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group('frames')
    group.add_argument('--frames', type=int, default=0, metavar='N',
                       help='take N evenly spaced frames (default: all)')
    group.add_argument('--sensor', default='', metavar='MODEL',
                       help='see clean synthetic frames through a simulated camera: random, '
                            'realsense, kinect, tof, clean')
    group.add_argument('--noise-seed', type=int, default=0, metavar='SEED',
                       help='seed of the simulated camera (default 0)')
    group.add_argument('--blank', choices=('none', 'color'), default='none',
                       help='take colour away')


def run(args: argparse.Namespace) -> int:
    """Print the tables, write the JSON; 1 where a frame could not be scored."""
    from seg_ros.cli._coco import open_truth
    from seg_ros.core.io import FrameFolder
    from seg_ros.evaluation.sources import Camera, CameraFolder
    from seg_ros.segmenters import method_named

    if args.boxes:
        from seg_ros.cli._boxes import score_true_masks

        return score_true_masks(args)
    _refuse_contradictions(args)
    if args.metrics == 'tracking':
        from seg_ros.cli._tracking import score_tracking

        return score_tracking(args)
    if method_named(args.method).result == 'semantic':
        from seg_ros.cli._semantic_scores import score_classes

        return score_classes(args)
    camera = Camera(args.sensor, args.noise_seed, args.blank)
    if args.robustness:
        whole = FrameFolder(args.folder)
        return _robustness(args, whole, CameraFolder(whole, camera, args.frames).names)
    frames, truth = open_truth(args.folder, args.metrics)
    return _scores(args, CameraFolder(frames, camera, args.frames), truth)


def _refuse_contradictions(args: argparse.Namespace) -> None:
    if args.predictions and (args.sensor or args.robustness or args.blank != 'none'):
        raise ValueError('--predictions were made earlier: --sensor, --blank and --robustness '
                         'need a method that runs now')
    if args.markdown and not args.robustness:
        raise ValueError('--markdown is the table of --robustness or --boxes: give both')
    if args.robustness and (args.blank != 'none' or args.failures or args.pictures):
        raise ValueError('--robustness is a report of its own: leave --blank, --failures and '
                         '--pictures out')
    if args.robustness and (args.metrics != 'unseen' or args.folder.suffix.lower() == '.json'):
        raise ValueError('--robustness is of the unseen measures on a folder of frames: leave '
                         '--metrics out and give a folder')


def _robustness(args: argparse.Namespace, folder: FrameFolder, names: list[str]) -> int:
    from seg_ros.cli._method import describe_run, load_segmenter
    from seg_ros.core.io import write_atomically
    from seg_ros.evaluation.robustness import markdown, robustness

    segmenter = load_segmenter(args)
    rows = robustness(
        folder, names, lambda frame: _instances(segmenter.segment(frame)).labels,
        sensor=args.sensor or 'random', seed=args.noise_seed,
        report=lambda row: print(markdown([row]).splitlines()[2], flush=True))
    if args.markdown:
        write_atomically(args.markdown, markdown(rows).encode())
    if args.json:
        report = {'folder': str(args.folder), **describe_run(args, segmenter),
                  'rows': [row.as_dict() for row in rows]}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    return 0


def _scores(
    args: argparse.Namespace, folder: CameraFolder, truth: TruthSource | None
) -> int:
    from seg_ros.core.io import write_atomically
    from seg_ros.evaluation.folder import evaluate_folder

    predict, plain, setting, coco = _predictors(args, folder, truth)
    count = None
    if args.failures:
        predict, count = _counted(predict, folder)
    show = _shown(args, folder)
    found = evaluate_folder(folder, predict, show)
    if found.scores:
        show('mean', found.mean())
    _print_rest(found)
    sections = _sections(args, found, coco)
    if count is not None and found.scores:
        print('', *count.table(), sep='\n')
    if args.pictures:
        from seg_ros.evaluation.pictures import write_worst

        print(f'{len(write_worst(folder, found.scores, plain, args.pictures))} pictures of the '
              f'worst frames in {args.pictures}')
    if args.json:
        report = {'folder': str(args.folder), **setting, **sections}
        write_atomically(args.json, (json.dumps(report, indent=1) + '\n').encode())
    return 1 if found.failed else 0


def _predictors(
    args: argparse.Namespace, folder: CameraFolder, truth: TruthSource | None
) -> tuple[Predict, Predict, dict[str, Any], CocoScores | None]:
    """Return what gives labels and feeds COCO, what only gives labels, the setting, the scores."""
    candidates = None
    if args.predictions:
        results, setting = _from_files(args)
    else:
        results, candidates, setting = _from_method(args, folder)

    def plain(name: str) -> Any:
        return results(name).labels

    if truth is None:
        return plain, plain, setting, None
    from seg_ros.cli._coco import scored

    predict, coco = scored(results, truth, candidates)
    return predict, plain, setting, coco


def _shown(
    args: argparse.Namespace, folder: CameraFolder
) -> Callable[[str, FrameScore | MeanScore], None]:
    """Print the head of the table of unseen measures and return what prints a row of it."""
    if args.metrics == 'coco':
        return lambda name, score: None
    width = max(len('mean'), *map(len, folder.names))
    print(' '.join([f'{"frame":{width}}', *(f'{name:>6}' for name in _COLUMNS), 'found/true']))
    return lambda name, score: print(_row(name, score, width), flush=True)


def _sections(
    args: argparse.Namespace, found: FolderScore, coco: CocoScores | None
) -> dict[str, Any]:
    """Return the figures that were asked for, ready for JSON; print those of COCO."""
    sections = found.as_dict()
    if args.metrics == 'coco':
        del sections['mean'], sections['frames']
    if coco is not None:
        from seg_ros.cli._coco import report, table

        sections['coco'] = report(coco)
        print(*([''] if args.metrics == 'both' else []), *table(sections['coco']), sep='\n')
    return sections


def _counted(predict: Predict, folder: CameraFolder) -> tuple[Predict, FailureCount]:
    """Return the predictor and a count that fills as it is called."""
    from seg_ros.evaluation.failures import FailureCount

    count = FailureCount()

    def counting(name: str) -> Any:
        predicted, truth = predict(name), folder.labels(name)
        if truth is not None and truth.shape == predicted.shape:
            count.add(truth, predicted, folder.frame(name).depth)
        return predicted

    return counting, count


def _row(name: str, score: FrameScore | MeanScore, width: int) -> str:
    from seg_ros.evaluation.unseen_metrics import MEASURES

    figures = [f'{getattr(score, measure):6.3f}' for measure in MEASURES]
    return ' '.join([f'{name:{width}}', *figures, f'{score.predictions}/{score.objects}'])


def _print_rest(found: FolderScore) -> None:
    for name, reason in found.failed.items():
        print(f'{name}: {reason}', file=sys.stderr)
    if found.without_truth:
        print(f'{len(found.without_truth)} frames have no NAME-labels.png and are left out')


def _from_files(
    args: argparse.Namespace
) -> tuple[Callable[[str], Instances], dict[str, Any]]:
    from seg_ros.cli._coco import results_in
    from seg_ros.cli._method import package_versions

    if not args.predictions.is_dir():
        raise FileNotFoundError(f'{args.predictions} is not a folder of NAME-labels.png')
    setting = {'predictions': str(args.predictions), 'versions': package_versions()}
    return results_in(args.predictions, args.metrics), setting


def _from_method(
    args: argparse.Namespace, folder: CameraFolder
) -> tuple[Callable[[str], Instances], Callable[[str], Candidates] | None, dict[str, Any]]:
    """Return what gives results by NAME, what a detector considers, and the setting."""
    from seg_ros.cli._method import describe_run, load_segmenter, timed_segment
    from seg_ros.segmenters import GivesCandidates

    segmenter = load_segmenter(args)

    def results(name: str) -> Instances:
        return _instances(timed_segment(segmenter, folder.frame(name))[0])

    def considered(name: str) -> Candidates:
        return cast('GivesCandidates', segmenter).candidates(folder.frame(name))

    frames = {'sensor': args.sensor, 'noise_seed': args.noise_seed, 'blank': args.blank}
    return (results, considered if isinstance(segmenter, GivesCandidates) else None,
            {**describe_run(args, segmenter), 'frames_as_seen': frames})


def _instances(result: Any) -> Instances:
    """Return the instances of a result; ValueError for classes."""
    from seg_ros.core.results import Instances

    if not isinstance(result, Instances):
        raise ValueError(f'{type(result).__name__} holds classes, not instances: none to score')
    return result
