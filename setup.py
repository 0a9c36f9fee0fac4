# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""Install seg_ros by pip, or by colcon as an ament_python package."""

import re
from glob import glob
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'seg_ros'
# `colcon build --symlink-install` runs a link to this file in a folder without README and package.
ROOT = Path(__file__).resolve().parent
SHARE = f'share/{NAME}'

REQUIRED = [
    'numpy>=1.26',
    'opencv-python-headless>=4.8',
    'pyyaml>=6',
    'safetensors>=0.4',
    'scipy>=1.11',
    'torch>=2.2',
    'torchvision>=0.17',
    'tqdm>=4.60',
]
EXTRAS = {
    'bags': ['rosbags>=0.10'],
    'crf': ['numba>=0.59'],
    'coco': ['pycocotools>=2.0.6'],
    'demo': ['imgviz>=1.7', 'numba>=0.59', 'rosbags>=0.10'],
    'onnx': ['onnx>=1.15', 'onnxruntime>=1.17', 'onnxscript>=0.1'],
    'openvino': ['openvino>=2024.0'],
    # Pillow reads the textures of meshes.
    'synth': ['mujoco>=3.1', 'numba>=0.59', 'pillow>=9', 'trimesh>=4.0'],
    # launch's pytest plugin needs pytest < 8.4, launch_testing breaks with pytest 9.
    'test': ['catkin_pkg', 'hypothesis>=6', 'imgviz>=1.7', 'mcap-ros2-support>=0.5',
             'pycocotools>=2.0.6', 'pytest>=7,<8.4', 'rosbags>=0.10', 'scikit-learn>=1.3',
             'setuptools>=70.1', 'tensorboard>=2.10'],
    # scikit-learn fits the classifier of single pixels.
    'train': ['scikit-learn>=1.3', 'tensorboard>=2.10'],
    'dev': ['mypy', 'ruff', 'types-PyYAML'],
}


def version() -> str:
    """Return the version that the package itself states."""
    text = (ROOT / NAME / '__init__.py').read_text(encoding='utf-8')
    return re.search(r"^__version__ = '([^']+)'", text, re.MULTILINE).group(1)


def files(pattern: str) -> list[str]:
    """Return the files of a pattern, sorted: setuptools refuses folders as data."""
    return sorted(path for path in glob(pattern) if Path(path).is_file())


setup(
    name=NAME,
    version=version(),
    description='Segmentation of unseen objects in RGB-D images, as a ROS 2 package',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    author='seg_ros contributors',
    maintainer='seg_ros contributors',
    license='Apache-2.0',
    python_requires='>=3.10',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed'], f'{NAME}.weights': ['*.safetensors', '*.md']},
    install_requires=REQUIRED,
    extras_require=EXTRAS,
    zip_safe=False,
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (SHARE, ['package.xml']),
        (f'{SHARE}/launch', files('launch/*.py')),
        (f'{SHARE}/config', files('config/*')),
        # Python reads those in the package; the share is where other ROS packages look.
        (f'{SHARE}/weights', [*files(f'{NAME}/weights/*.safetensors'),
                              *files(f'{NAME}/weights/*.md')]),
        # `ros2 run` and launch's Node look here; pip and colcon write the scripts to bin/.
        (f'lib/{NAME}', files('scripts/ros/*')),
    ],
    entry_points={
        'console_scripts': [
            'seg_ros = seg_ros.cli:main',
            'segmentation_node = seg_ros.nodes.segmentation_node:main',
        ],
    },
)
