"""Options that several commands of `edgeunet bench` have, in addition to those of `edgeunet.cli.common_options`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Data = Annotated[
    Path | None, typer.Option("--data", help="Dataset folder or video to take frames from; the samples if not given.")
]
Backend = Annotated[
    str | None, typer.Option(help="For .onnx files: onnxruntime or openvino; the faster one if not given.")
]
Baselines = Annotated[
    Path | None,
    typer.Option("--baselines", help="Folder of the named baselines; baselines or benchmarks/baselines if not given."),
]
