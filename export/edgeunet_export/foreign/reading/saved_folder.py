"""A folder of `save_pretrained()`, of segmentation_models.pytorch or of transformers → its network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import nn

from edgeunet.errors import MismatchError, MissingDependencyError, ModelFileError
from edgeunet.utils.formatting import one_line
from edgeunet.utils.json_fields import read_json
from edgeunet_export.foreign.reading.network_weights import load_weights, read_weights

_CONFIG = "config.json"
WEIGHTS = "model.safetensors"
_WRITTEN = "write it with the network's save_pretrained()"


def saved_network(folder: Path) -> nn.Module:
    """The network with its weights. Nothing is fetched from the internet, and no code of the folder runs.

    Raises ModelFileError for a folder of another kind, MissingDependencyError if the package is not installed.
    """
    config = read_json(
        folder / _CONFIG, dict[str, Any], error=ModelFileError, what="the description of a network", remedy=_WRITTEN
    )
    smp_class, classes = config.get("_model_class"), config.get("architectures")
    if isinstance(smp_class, str):
        return _of_smp(folder, smp_class, config)
    if isinstance(classes, list) and len(classes) == 1 and isinstance(config.get("model_type"), str):
        return _of_transformers(folder, str(classes[0]))
    raise ModelFileError(
        f"{folder / _CONFIG} names no network of segmentation_models.pytorch or of transformers: {_WRITTEN} there, or "
        "give the network as package.module:function"
    )


def _of_smp(folder: Path, name: str, config: dict[str, Any]) -> nn.Module:
    try:
        import segmentation_models_pytorch as smp
    except ImportError as error:
        raise _missing("segmentation_models.pytorch", folder, "segmentation-models-pytorch", error) from error
    except Exception as error:  # of what it imports, such as a torchvision that was built for another torch
        raise ModelFileError(
            f"importing segmentation_models_pytorch fails with {one_line(error, 160)}: mend its installation"
        ) from error
    network_class = getattr(smp, name, None)
    if not (isinstance(network_class, type) and issubclass(network_class, nn.Module)):
        raise ModelFileError(
            f"{folder}: segmentation_models.pytorch {smp.__version__} has no {name}: install a newer one"
        )
    # The encoder's own weights would be fetched only to be replaced.
    arguments = {key: value for key, value in config.items() if not key.startswith("_")} | {"encoder_weights": None}
    try:
        network: nn.Module = network_class(**arguments)
    except Exception as error:  # the package's own code, given a file's values
        raise ModelFileError(f"{folder}: {name} cannot be built ({one_line(error, 160)}): {_WRITTEN} again") from error
    load_weights(network, read_weights(folder / WEIGHTS), origin=str(folder / WEIGHTS), title=name)
    return network


def _of_transformers(folder: Path, name: str) -> nn.Module:
    try:
        import transformers
    except ImportError as error:
        raise _missing("transformers", folder, "transformers", error) from error
    try:
        network_class = getattr(transformers, name, None)
    except ImportError as error:  # it imports its parts when they are asked for, and those may lack a package
        reason = one_line(error.__cause__ or error, 160)
        raise ModelFileError(f"{folder}: transformers cannot load {name} ({reason}): install what it needs") from error
    if network_class is None:
        raise ModelFileError(f"{folder}: transformers {transformers.__version__} has no {name}: install a newer one")
    transformers.utils.logging.disable_progress_bar()
    try:
        network, report = network_class.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
    except Exception as error:  # the package's own code, given a folder's files
        raise ModelFileError(f"{folder}: {name} cannot be loaded ({one_line(error, 160)}): {_WRITTEN} again") from error
    if wrong := sorted(map(str, [*report["missing_keys"], *report["mismatched_keys"]])):
        raise MismatchError(
            f"the weights in {folder} do not fit {name}: {wrong[0]} ({len(wrong)} in all): {_WRITTEN} again"
        )
    return cast(nn.Module, network)


def _missing(title: str, folder: Path, package: str, error: ImportError) -> MissingDependencyError:
    if error.name and error.name != package.replace("-", "_"):
        return MissingDependencyError(error.name, title, f"pip install {error.name}")
    return MissingDependencyError(title, f"reading {folder}", f"pip install {package}")
