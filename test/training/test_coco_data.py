# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

import builtins
import copy
import json
import logging
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seg_ros.core.io import write_camera, write_color, write_depth
from seg_ros.synthetic.coco import run_lengths, write_coco
from seg_ros.training.coco_data import CocoFolder
from seg_ros.training.coco_masks import counts_of, mask_of

tools = pytest.importorskip('pycocotools.mask', reason='pycocotools is not installed')
COCO = pytest.importorskip('pycocotools.coco').COCO

HEIGHT, WIDTH = 24, 32
COLOR = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)


def block(x1, y1, x2, y2):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def uncompressed(mask):
    return {'size': list(mask.shape), 'counts': run_lengths(mask)}


def compressed(mask):
    found = tools.encode(np.asfortranarray(mask, np.uint8))
    return {'size': list(mask.shape), 'counts': found['counts'].decode()}


def polygon(x1, y1, x2, y2):
    return [x1, y1, x2, y1, x2, y2, x1, y2]


def annotation(number, segmentation, category=7, image=1, **more):
    return {'id': number, 'image_id': image, 'category_id': category,
            'segmentation': segmentation, **more}


def document(*annotations, images=1):
    return {
        'images': [{'id': n, 'file_name': f'{n:03d}-color.png', 'width': WIDTH, 'height': HEIGHT}
                   for n in range(1, images + 1)],
        # neither in order nor without gaps
        'categories': [{'id': 90, 'name': 'bowl'}, {'id': 7, 'name': 'cup'}],
        'annotations': list(annotations),
    }


def write(folder, content, missing=()):
    folder.mkdir(exist_ok=True)
    for image in content['images']:
        if image['file_name'] not in missing:
            write_color(folder / image['file_name'], COLOR)
    (folder / 'annotations.json').write_text(json.dumps(content))
    return folder


TRIANGLE = [3.5, 2.0, 29.0, 11.5, 8.25, 21.0]
TWO_PARTS = [polygon(1, 1, 6, 5), polygon(20, 10, 30, 20)]


@pytest.mark.parametrize(('segmentation', 'expected'), [
    (uncompressed(block(3, 4, 9, 20)), block(3, 4, 9, 20)),
    (compressed(block(3, 4, 9, 20)), block(3, 4, 9, 20)),
    (compressed(block(0, 0, 1, 1)), block(0, 0, 1, 1)),
    (uncompressed(block(0, 0, WIDTH, HEIGHT)), block(0, 0, WIDTH, HEIGHT)),
    ([polygon(3, 4, 9, 20)], block(3, 4, 9, 20)),
    (TWO_PARTS, block(1, 1, 6, 5) | block(20, 10, 30, 20)),
    ([polygon(-5, -5, 40, 4)], block(0, 0, WIDTH, 4)),  # cut at the border
    ([polygon(3, 4, 9, 20), [5, 5, 6, 6]], block(3, 4, 9, 20)),  # a part of two points is nothing
    ([[]], block(0, 0, 0, 0)),
    ([polygon(5, 5, 5, 5)], block(0, 0, 0, 0)),
])  # fmt: skip
def test_masks(segmentation, expected):
    found = mask_of(segmentation, HEIGHT, WIDTH)
    assert found.dtype == bool
    assert np.array_equal(found, expected)


@settings(max_examples=60, deadline=None)
@given(hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)))
def test_run_lengths_give_back_any_mask(mask):
    for rle in (uncompressed(mask), compressed(mask)):
        assert np.array_equal(mask_of(rle, *mask.shape), mask)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(-10, 60, width=32), min_size=6, max_size=16).filter(
    lambda points: len(points) % 2 == 0))
def test_polygons_are_those_of_pycocotools(points):
    coco = COCO()
    coco.imgs = {1: {'height': HEIGHT, 'width': WIDTH}}
    # the polygon may leave the image by less than its size
    points = [min(max(value, -10.0), 47.0) for value in points]
    expected = coco.annToMask({'image_id': 1, 'segmentation': [points]})
    assert np.array_equal(mask_of([points], HEIGHT, WIDTH), expected > 0)


@pytest.mark.parametrize(('segmentation', 'message'), [
    ('abc', 'is a str'),
    ([[1, 2, 3, 4, 5, 6, 7]], 'list of finite numbers'),
    ([[1, 2, None, 4, 5, 6]], 'list of finite numbers'),
    ([[1, 2, float('inf'), 4, 5, 6]], 'list of finite numbers'),
    ([1, 2, 3, 4, 5, 6], 'list of finite numbers'),
    ([[[1, 2], [3, 4], [5, 6]]], 'list of finite numbers'),
    ([{'size': [1, 1], 'counts': [1]}], 'list of finite numbers'),
    ([[0, 0, 1e9, 0, 0, 1e9]], 'leaves the image of 32x24'),
    ([[0, 0, 30, 20] * 2_000_000], 'outline'),
    ({'counts': [HEIGHT * WIDTH]}, r'size None, \[height, width\] of the image is \[24, 32\]'),
    ({'size': [WIDTH, HEIGHT], 'counts': [768]}, r'size \[32, 24\]'),
    ({'size': [HEIGHT, WIDTH]}, 'counts are a NoneType'),
    ({'size': [HEIGHT, WIDTH], 'counts': [767]}, 'sum up to the 768 pixels'),
    ({'size': [HEIGHT, WIDTH], 'counts': [800, -32]}, 'from 0'),
    ({'size': [HEIGHT, WIDTH], 'counts': []}, 'from 0'),
    ({'size': [HEIGHT, WIDTH], 'counts': [2**62, 2**62, 2**62, 2**62, 768]}, 'from 0'),
    ({'size': [HEIGHT, WIDTH], 'counts': [10**30]}, 'whole numbers'),
    ({'size': [HEIGHT, WIDTH], 'counts': [700.5, 67.5]}, 'whole numbers'),
    ({'size': [HEIGHT, WIDTH], 'counts': ''}, 'cut off'),
    ({'size': [HEIGHT, WIDTH], 'counts': 'a b'}, 'not one of pycocotools'),
    ({'size': [HEIGHT, WIDTH], 'counts': 'é'}, 'ascii'),
    ({'size': [HEIGHT, WIDTH], 'counts': 'PPPPPPPPPP0'}, 'beyond any image'),
    ({'size': [HEIGHT, WIDTH], 'counts': '0P'}, 'cut off'),
])  # fmt: skip
def test_bad_segmentations_are_refused(segmentation, message):
    with pytest.raises(ValueError, match=message):
        mask_of(segmentation, HEIGHT, WIDTH)


@settings(max_examples=100, deadline=None)
@given(st.text(st.characters(min_codepoint=40, max_codepoint=120), max_size=20))
def test_no_string_of_counts_gets_through_wrong(text):
    try:
        counts = counts_of({'size': [HEIGHT, WIDTH], 'counts': text}, HEIGHT, WIDTH)
    except ValueError:
        return
    assert counts.min() >= 0
    assert counts.sum() == HEIGHT * WIDTH


def test_a_view_has_all_that_is_said_of_it(tmp_path):
    folder = write(tmp_path, document(
        annotation(5, uncompressed(block(1, 2, 5, 9)), bbox=[1.25, 2, 3.5, 7], area=26.5),
        annotation(9, [polygon(3, 4, 12, 20)], 90, bbox=[0, 0, 0, 0], area=0),
        annotation(2, compressed(block(0, 20, WIDTH, HEIGHT)), 7, iscrowd=1),
        images=2))  # fmt: skip
    data = CocoFolder(folder)
    view = data.item('001')
    assert (data.names, len(data)) == (['001', '002'], 2)
    assert (data.class_names, data.category_ids) == (('cup', 'bowl'), (7, 90))
    assert np.array_equal(view.color, COLOR)
    assert (view.depth_m, view.camera) == (None, None)
    assert np.array_equal(view.masks, [
        block(1, 2, 5, 9), block(3, 4, 12, 20), block(0, 20, WIDTH, HEIGHT)])
    assert (view.class_ids.dtype, view.class_ids.tolist()) == (np.int32, [1, 2, 1])
    assert view.crowd.tolist() == [False, False, True]
    # a box or an area of nothing gives way to the mask's
    assert view.boxes_xywh.tolist() == [[1.25, 2, 3.5, 7], [3, 4, 9, 16], [0, 20, 32, 4]]
    assert view.areas.tolist() == [26.5, 144, 128]
    empty = data.item('002')
    assert empty.masks.shape == (0, HEIGHT, WIDTH)
    assert (empty.boxes_xywh.shape, empty.class_ids.shape) == ((0, 4), (0,))
    data.refresh()
    assert data.describe() == {
        'folder': tmp_path.name, 'annotations': 'annotations.json', 'views': 2, 'classes': 2,
        'missing': 0, 'left_out': {}}  # fmt: skip


@pytest.mark.parametrize(('json_name', 'image_name', 'opened', 'name'), [
    ('annotations.json', '1-color.png', '', '1'),
    ('instances.json', 'images/1.jpg', '', '1'),
    ('any.json', 'images/part/1-color.jpg', 'any.json', 'part/1'),
    ('any.json', 'part/1.bmp', 'any.json', 'part/1'),
])
def test_where_files_may_lie(tmp_path, json_name, image_name, opened, name):
    content = document()
    content['images'][0]['file_name'] = image_name.removeprefix('images/')
    (tmp_path / image_name).parent.mkdir(parents=True, exist_ok=True)
    write_color(tmp_path / image_name, COLOR)
    (tmp_path / json_name).write_text(json.dumps(content))
    data = CocoFolder(tmp_path / opened)
    assert data.names == [name]
    assert data.item(name).color.shape == COLOR.shape


def test_gray_images_have_three_equal_channels(tmp_path):
    write(tmp_path, document())
    cv2.imwrite(str(tmp_path / '001-color.png'), COLOR[..., 0])
    color = CocoFolder(tmp_path).item('001').color
    assert color.shape == COLOR.shape
    assert all(np.array_equal(color[..., channel], COLOR[..., 0]) for channel in range(3))


def camera_of(width=WIDTH):
    from seg_ros.core.frame import CameraModel

    return CameraModel(width, HEIGHT, 30.0, 31.0, 15.5, 11.5)


@pytest.mark.parametrize('file', ['001-camera.json', 'camera.json'])
def test_depth_and_camera_lie_beside_the_image(tmp_path, file):
    write(tmp_path, document())
    depth_m = np.full((HEIGHT, WIDTH), 1.25, np.float32)
    depth_m[0] = np.nan
    write_depth(tmp_path / '001-depth.png', depth_m)
    with pytest.raises(ValueError, match='001-depth.png needs 001-camera.json or camera.json'):
        CocoFolder(tmp_path).item('001')
    write_camera(tmp_path / file, camera_of())
    view = CocoFolder(tmp_path).item('001')
    np.testing.assert_array_equal(view.depth_m, depth_m)
    assert view.camera == camera_of()
    write_camera(tmp_path / file, camera_of(50))
    with pytest.raises(ValueError, match='001: camera 50x24, colour image 32x24'):
        CocoFolder(tmp_path).item('001')


def test_what_synthesize_exports_opens(tmp_path):
    from seg_ros.core.io import read_classes, read_labels
    from seg_ros.synthetic.dataset import DatasetOptions, generate
    from seg_ros.synthetic.scene import SceneOptions

    options = SceneOptions(views=1, width=96, height=72, physics='none', max_objects=4)
    generate(tmp_path, DatasetOptions(2, 3, options))
    write_coco(tmp_path)
    data = CocoFolder(tmp_path)
    assert data.names == ['000000_0', '000001_0']
    for name in data.names:
        view = data.item(name)
        labels = read_labels(tmp_path / f'{name}-labels.png')
        classes = read_classes(tmp_path / f'{name}-classes.png')
        values = np.unique(labels[labels > 0])
        assert len(values) > 0
        assert np.array_equal(view.masks, labels == values[:, None, None])
        names = ['background', *data.class_names, 'table']
        assert names == json.loads((tmp_path / 'classes.json').read_text())
        assert view.class_ids.tolist() == [classes[labels == value][0] for value in values]
        assert view.depth_m.shape == (72, 96)
        assert view.camera.width == 96


def test_annotations_without_a_mask_are_left_out_and_counted(tmp_path, caplog):
    content = document(
        annotation(1, uncompressed(block(1, 2, 5, 9))),
        annotation(2, None), annotation(3, []), annotation(4, {}), annotation(5, [[]]),
        annotation(6, uncompressed(block(0, 0, 0, 0))),
        {'id': 7, 'image_id': 1, 'category_id': 7, 'bbox': [1, 2, 3, 4]},
        annotation(8, [polygon(1, 1, 4, 4)], 0))  # fmt: skip
    content['categories'].append({'id': 0, 'name': 'Background'})
    with caplog.at_level(logging.WARNING):
        data = CocoFolder(write(tmp_path, content))
        assert '4 annotations without segmentation are left out' in caplog.text
        assert '1 annotations of the class background are left out' in caplog.text
        for _ in range(2):
            assert len(data.item('001').masks) == 1
    assert caplog.text.count('2 annotations of 001-color.png cover no pixel') == 1
    assert data.class_names == ('cup', 'bowl')
    assert data.describe()['left_out'] == {
        'without segmentation': 4, 'of the class background': 1, 'without area': 2}


@pytest.mark.parametrize(('images', 'missing', 'fine'), [(20, 1, True), (20, 2, False),
                                                         (19, 1, False), (40, 2, True)])
def test_few_images_may_be_missing(tmp_path, caplog, images, missing, fine):
    lost = [f'{number:03d}-color.png' for number in range(3, 3 + missing)]
    write(tmp_path, document(images=images), lost)
    said = f'{missing} of the {images} images of .* the first is 003-color.png'
    if not fine:
        with pytest.raises(ValueError, match=said + ': at most 5 % may be missing'):
            CocoFolder(tmp_path)
        return
    data = CocoFolder(tmp_path)
    assert len(data) == images - missing
    assert data.describe()['missing'] == missing
    assert f'{missing} of the {images} images' in caplog.text
    assert 'left out' in caplog.text


def changed(**lists):
    """Return a document with keys of the first entry of a list changed."""
    content = document(annotation(1, uncompressed(block(1, 2, 5, 9))))
    for key, values in lists.items():
        content[key][0].update(values)
    return content


def doubled(key, **values):
    content = changed()
    content[key].append({**copy.deepcopy(content[key][0]), **values})
    return content


@pytest.mark.parametrize(('content', 'message'), [
    ([], 'a list of objects under "images"'),
    ({'images': []}, 'a list of objects under "categories"'),
    ({**document(), 'annotations': [3]}, 'a list of objects under "annotations"'),
    ({**document(), 'images': []}, 'names no images'),
    (changed(images={'id': '1'}), "an image has id '1': a whole number"),
    (changed(images={'width': None}), 'image 1 has width None'),
    (changed(images={'width': 31.5}), 'image 1 has width 31.5'),
    (changed(images={'width': float('nan')}), 'image 1 has width nan'),
    (changed(images={'width': float('inf')}), 'image 1 has width inf'),
    (changed(images={'height': 0}), 'said to be 32x0'),
    (changed(images={'width': 100_000, 'height': 100_000},
             annotations={'segmentation': {'size': [100_000] * 2, 'counts': [10**10]}}),
     '100000x100000: accepted are 1x1 to 100000000 pixels'),
    (changed(images={'file_name': 5}), 'file_name 5'),
    (changed(images={'file_name': 'a\0'}), 'the name of a file is needed'),
    (changed(images={'file_name': '../a.png'}), 'leaves the data set'),
    (changed(images={'file_name': '/etc/passwd'}), 'leaves the data set'),
    (changed(categories={'name': None}), 'category 90 has the name None'),
    (changed(annotations={'image_id': 3}), 'annotation 1 has image_id 3, which is not in the'),
    (changed(annotations={'category_id': 8}), 'annotation 1 has category_id 8, which is not in'),
    (changed(annotations={'category_id': [8]}), r'annotation 1 has category_id \[8\]'),
    (changed(annotations={'id': True}), 'an annotation has id True'),
    (doubled('images', file_name='b.png'), 'image id 1 is used more than once'),
    (doubled('images', id=2), "NAME of an image '001' is used more than once"),
    (doubled('images', id=2, file_name='001.jpg'), "NAME of an image '001'"),
    (doubled('categories', name='b'), 'category id 90 is used more than once'),
    (doubled('categories', id=3), "category name 'bowl' is used more than once"),
    (doubled('annotations'), 'annotation id 1 is used more than once'),
])
def test_bad_documents_are_refused(tmp_path, content, message):
    (tmp_path / 'annotations.json').write_text(json.dumps(content))
    with pytest.raises(ValueError, match=message) as error:
        CocoFolder(tmp_path)
    assert str(tmp_path / 'annotations.json') in str(error.value)


@pytest.mark.parametrize(('text', 'message'), [
    (b'{"images": [', 'is no JSON, or it is cut off'),
    (b'', 'is no JSON'),
    (b'\xff\xfe\xfa', 'is no JSON'),
    (b'[' * 200_000, 'is no JSON'),
])
def test_what_is_no_json_is_refused(tmp_path, text, message):
    (tmp_path / 'annotations.json').write_bytes(text)
    with pytest.raises(ValueError, match=message):
        CocoFolder(tmp_path)


@pytest.mark.parametrize(('count', 'message'), [
    (65_536, 'image 1 has 65536 instances: at most 65535 are read'), (65_535, None)])
def test_the_number_of_instances_is_limited(tmp_path, count, message):
    rle = uncompressed(block(1, 1, 2, 2))
    write(tmp_path, document(*(annotation(number, rle) for number in range(count))))
    if message:
        with pytest.raises(ValueError, match=message):
            CocoFolder(tmp_path)
    else:
        assert len(CocoFolder(tmp_path)) == 1


def test_the_number_of_classes_is_limited(tmp_path):
    content = document()
    content['categories'] = [{'id': n, 'name': str(n)} for n in range(65_536)]
    write(tmp_path, content)
    with pytest.raises(ValueError, match='65536 categories: at most 65535'):
        CocoFolder(tmp_path)


def test_masks_that_would_fill_the_memory_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr('seg_ros.training.coco_data.MAX_MASK_BYTES', 2 * HEIGHT * WIDTH)
    rle = uncompressed(block(1, 1, 2, 2))
    write(tmp_path, document(
        *(annotation(n, rle) for n in range(2)), *(annotation(n, rle, image=2) for n in (2, 3, 4)),
        images=2))  # fmt: skip
    data = CocoFolder(tmp_path)
    assert len(data.item('001').masks) == 2
    with pytest.raises(ValueError, match='002-color.png: 3 masks of 32x24 take more than 1536'):
        data.item('002')


def test_what_is_wrong_in_a_view_is_named(tmp_path):
    write(tmp_path, document(annotation(31, [[1, 2, 3]])))
    with pytest.raises(ValueError, match=r'annotations.json: annotation 31: a polygon must'):
        CocoFolder(tmp_path).item('001')
    write_color(tmp_path / '001-color.png', COLOR[:20])
    with pytest.raises(ValueError, match=r'001-color.png is 32x20, annotations.json says 32x24'):
        CocoFolder(tmp_path).item('001')


@pytest.mark.parametrize(('path', 'message'), [
    ('nowhere', 'no such file'), ('nowhere.json', 'no such file'),
    ('', 'holds no annotations.json or instances.json')])
def test_no_data_set_is_said(tmp_path, path, message):
    with pytest.raises(FileNotFoundError, match=message):
        CocoFolder(tmp_path / path)


def test_pycocotools_is_asked_for_only_where_there_are_polygons(tmp_path, monkeypatch):
    write(tmp_path, document(
        annotation(1, compressed(block(1, 2, 5, 9))),
        annotation(2, [polygon(1, 1, 4, 4)], image=2), images=2))
    real = builtins.__import__

    def without(name, *rest):
        if name.startswith('pycocotools'):
            raise ImportError(name)
        return real(name, *rest)

    for name in [name for name in sys.modules if name.startswith('pycocotools')]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, '__import__', without)
    data = CocoFolder(tmp_path)
    assert len(data.item('001').masks) == 1
    with pytest.raises(ImportError, match=r'pip install "seg_ros\[coco\]"'):
        data.item('002')
