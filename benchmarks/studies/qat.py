"""INT8 after training, repaired, and trained as INT8: what each loses, side by side in one run.

    python -m benchmarks.studies.qat best.pt DATASET -o benchmarks/results/qat.json

Drops are in points of mIoU on the dataset's val split, all against the same float network.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import onnx
import torch
import typer
from torch import nn

from benchmarks.studies.hard_cases import (
    Case,
    Checkpoint,
    Data,
    Images,
    MaxDrop,
    Target,
    figures,
    print_drops,
    quantise,
    record_of,
    result_of,
)
from benchmarks.studies.study import OptionalOutput, Study, run
from edgeunet.cli.common_options import Force
from edgeunet.data.dataset import DatasetFolder
from edgeunet.network.checkpoint import load_model, save_checkpoint
from edgeunet.network.unet import UNet
from edgeunet.quantisation.ranges_file import Ranges
from edgeunet.quantisation.target import target_of
from edgeunet.training.command import train
from edgeunet.training.output.run_folder import BEST
from edgeunet.training.qat.learnt_ranges import RANGES
from edgeunet.training.training_options import TrainingOptions
from edgeunet_export.calibration.sampling import representative
from edgeunet_export.graph.float_model import FloatModel
from edgeunet_export.graph.model_from_network import model_from_network
from edgeunet_export.int8.candidate import Candidate
from edgeunet_export.verify.accuracy import Accuracy, AccuracyBudget, judged

STUDY = Study(__doc__ or "")
SPLIT = "val"
FACTORS = (1.0, 10.0, 100.0)


def checkpoints(source: Path, folder: Path, factors: Sequence[float]) -> Iterator[tuple[str, Path]]:
    """The network with a part of the bottleneck's channels larger than the rest; its masks stay the same.

    An addition ties these channels over all residual blocks, so that equalisation must leave them alone.
    """
    for factor in factors:
        net, spec = load_model(source)
        rescale_bottleneck(net, factor)
        save_checkpoint(path := folder / f"{factor:g}.pt", net, spec)
        yield "as trained" if factor == 1 else f"bottleneck channels times {factor:g}", path


@torch.no_grad()
def rescale_bottleneck(net: UNet, factor: float) -> None:
    """Multiply every third channel of the bottleneck wherever one is made, and divide the weights that read it."""
    lowest, upwards = list(net.down[-1].children()), net.up[0].get_submodule("up")
    double, blocks = lowest[1], lowest[2:]
    norms = [double.get_submodule("4"), *(block.get_submodule("conv.4") for block in blocks)]
    for norm in norms:
        norm.get_parameter("weight")[::3] *= factor
        norm.get_parameter("bias")[::3] *= factor
    for block in blocks:
        block.get_parameter("conv.0.weight")[:, ::3] /= factor
    if isinstance(upwards, nn.ConvTranspose2d):
        upwards.weight[::3] /= factor
    else:
        upwards.get_parameter("0.weight")[:, ::3] /= factor


def trained(float_model: Path, data: DatasetFolder, options: TrainingOptions, run: Path) -> Accuracy:
    """What the INT8 file loses against `float_model` after its checkpoint was trained on as INT8."""
    train(data.path, run, options)
    net, spec = load_model(run / BEST)
    model = FloatModel.of(model_from_network(net, spec, dynamic_batch=False, logits=False))
    int8 = Candidate.of(model, Ranges.load(run / RANGES), target_of(options.target)).int8
    return judged(float_model, int8, data, SPLIT)


def measure(
    source: Path,
    data: DatasetFolder,
    target: str,
    budget: AccuracyBudget,
    images: int,
    steps: int | None,
    factors: Sequence[float],
) -> dict[str, Any]:
    """What the result file holds. steps: of the training; the recipe's if None."""
    calibrating = representative(data.image_paths("train"), images, 0)
    records: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for case, checkpoint in checkpoints(source, Path(folder), factors):
            float_model = checkpoint.with_suffix(".onnx")
            net, spec = load_model(checkpoint)
            onnx.save(model_from_network(net, spec, dynamic_batch=False, logits=False), float_model)
            repaired = quantise(Case(case, float_model, calibrating), data, SPLIT, target_of(target), budget)
            training = TrainingOptions(qat=checkpoint, target=target, steps=steps)
            accuracy = trained(float_model, data, training, Path(folder) / f"run-{checkpoint.stem}")
            records[case] = {**record_of(repaired), "trained": figures(accuracy)}
    recipe = TrainingOptions(qat=source, steps=steps).make_recipe()
    return result_of(source, data, target, budget, records, recipe=asdict(recipe))


def main(
    checkpoint: Checkpoint,
    data: Data,
    target: Target = "tensorrt",
    max_drop: MaxDrop = 0.3,
    images: Images = 64,
    steps: Annotated[int | None, typer.Option(min=1, help="Of the training; the recipe's if not given.")] = None,
    factors: Annotated[
        list[float] | None,
        typer.Option(help="A case for each; may be repeated; 1 (as trained), 10 and 100 if not given."),
    ] = None,
    output: OptionalOutput = None,
    force: Force = False,
) -> None:
    """Compare INT8 after training, repaired, and trained as INT8."""
    dataset, budget = DatasetFolder.open(data), AccuracyBudget(max_drop)
    result = STUDY.keep(
        output,
        lambda: measure(checkpoint, dataset, target, budget, images, steps, factors or FACTORS),
        force=force,
        inputs=[checkpoint, data],
    )
    print_drops(result["cases"], budget, ("minmax", "default", "repaired", "trained"))


if __name__ == "__main__":
    run(main)
