# Copyright 2026 seg_ros contributors
# SPDX-License-Identifier: Apache-2.0

"""The command line: one module of this folder a subcommand, imported when it is asked for."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from seg_ros import __version__

EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


def command_names() -> list[str]:
    """Return the subcommands: the modules here whose names do not start with an underscore."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in found if not name.startswith('_'))


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit code.

    A mistake in the input (ValueError, OSError) or a missing package is one line on stderr and
    exit code 2; ``--debug`` shows where it came from.
    """
    words = list(sys.argv[1:] if argv is None else argv)
    args = build_parser(words).parse_args(words)
    try:
        return int(args.run(args))
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away: nothing is left to say, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError, ImportError) as error:
        if getattr(args, 'debug', False):
            traceback.print_exc()
        print(f'seg_ros {args.command}: {error}', file=sys.stderr)
        return EXIT_BAD_INPUT


def build_parser(words: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser, with the arguments of the one command that the words name."""
    parser = argparse.ArgumentParser(
        prog='seg_ros',
        description='Segment objects that a robot has never seen, from RGB-D frames.',
        epilog='seg_ros COMMAND --help tells more about a command.',
        formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=24),
    )
    parser.add_argument('--version', action='version', version=f'seg_ros {__version__}')
    parser.add_argument('--debug', action='store_true', help='show where an error came from')
    commands = parser.add_subparsers(dest='command', metavar='COMMAND', required=True)
    names = command_names()
    wanted = next((word for word in words if not word.startswith('-')), None)
    if wanted in names:
        _add_command(commands, str(wanted), complete=True)
        return parser
    for name in names:
        _add_command(commands, name, complete=False)
    return parser


def _add_command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, *, complete: bool
) -> None:
    module = _module(name)
    parser = commands.add_parser(name, help=module.HELP, description=module.__doc__)
    if not complete:
        return
    parser.add_argument(
        '--debug',
        action='store_true',
        default=argparse.SUPPRESS,
        help='show where an error came from',
    )
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


def _module(name: str) -> ModuleType:
    return importlib.import_module(f'seg_ros.cli.{name}')
