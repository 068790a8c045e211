"""`package.module:name` → the network that it builds. This runs the user's code."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import reduce
from pathlib import Path
from typing import Any

from torch import nn

from edgeunet.errors import EdgeUNetError, ModelFileError, UsageError
from edgeunet.utils.formatting import one_line
from edgeunet_export.foreign.reading.source_kind import ADDRESS

_THEIRS = (Exception, SystemExit)
"""What the user's code may raise. A script that reads its own options exits, maybe with 0, and nothing was written."""


def built_network(address: str) -> nn.Module:
    """Import the module, from the current folder or as an installed one, and call the function if it is no network.

    Raises UsageError if there is no such module or name, ModelFileError if the code fails or returns something else.
    """
    if not ADDRESS.fullmatch(address) or ".py:" in address:
        file, _, called = address.rpartition(".py:")
        dotted = ".".join(Path(file).parts) if not Path(file).is_absolute() else Path(file).name
        raise UsageError(f"{address} is a path: give the name that Python imports, such as {dotted}:{called}")
    module_name, _, name = address.partition(":")
    with _current_folder_first():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if not error.name or not f"{module_name}.".startswith(f"{error.name}."):
                raise ModelFileError(f"{module_name} needs {error.name}, which is not installed: install it") from error
            raise UsageError(
                f"there is no Python module {error.name} in {Path.cwd()}, and none is installed: give the module's "
                "name as `import` takes it, from the folder that it is in"
            ) from error
        except _THEIRS as error:
            raise _failed(f"importing {module_name}", error) from error
        try:
            value: Any = reduce(getattr, name.split("."), module)
        except AttributeError as error:
            raise UsageError(f"{module_name} has no {name}: give a function without arguments, or a network") from error
        return value if isinstance(value, nn.Module) else _called(value, address)


def _called(function: Callable[[], Any], address: str) -> nn.Module:
    try:
        network = function()
    except _THEIRS as error:
        raise _failed(f"{address}()", error, "; it is called without arguments") from error
    if not isinstance(network, nn.Module):
        raise ModelFileError(f"{address}() returns {type(network).__name__}, not a torch.nn.Module: return the network")
    return network


def _failed(what: str, error: BaseException, remark: str = "") -> EdgeUNetError:
    if isinstance(error, EdgeUNetError):
        return error
    reason = one_line(f"{type(error).__name__}: {error}", 160)
    return ModelFileError(f"{what} fails with {reason}{remark}: mend that code; --debug shows the line")


@contextmanager
def _current_folder_first() -> Iterator[None]:
    """As `python -m` does: a console script does not look there."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.remove(str(Path.cwd()))
