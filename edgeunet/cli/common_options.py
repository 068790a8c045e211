"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Force = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

Size = Annotated[
    str, typer.Option(metavar="HEIGHTxWIDTH", help="Another input size than the checkpoint was trained at.")
]
Tiles = Annotated[
    str, typer.Option(metavar="ROWSxCOLUMNS", help="Other tiles than the checkpoint was trained with; 1x1 for none.")
]
Backend = Annotated[
    str | None, typer.Option(help="For .onnx files: onnxruntime or openvino; the faster one if not given.")
]
Threads = Annotated[int | None, typer.Option(help="CPU threads for one frame; all physical cores if not given.")]
Confidence = Annotated[
    bool,
    typer.Option(
        "--confidence",
        help="Add two outputs: how sure each pixel is, and how like the training data the frame is; with a labelled "
        "--data.",
    ),
]
