"""`edgeunet export`: parse, call, print. Loaded for every `edgeunet --help`, so nothing heavy is imported here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from edgeunet.cli.common_options import Confidence, Force, Size, Tiles
from edgeunet.utils.dependencies import require_installed

if TYPE_CHECKING:
    from edgeunet.board.gpu import Provider

app = typer.Typer(
    help="Make the files that run: checkpoint → ONNX → FP16 or INT8, each compared with the one before; engines, whose "
    "masks `verify` compares.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

Output = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File to write.", show_default=False)]
CalibImages = Annotated[
    int, typer.Option("--calib-images", help="Calibrate on at most this many images, spread by what they show.")
]
Seed = Annotated[int, typer.Option(help="Seed for the choice of images.")]
Ranges = Annotated[Path | None, typer.Option(help="File with stored ranges of this model, instead of calibrating.")]


@app.command()
def onnx(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint of `edgeunet train`.")],
    output: Output,
    dynamic_batch: Annotated[
        bool,
        typer.Option(
            "--dynamic-batch",
            help="Accept any number of frames at once; an engine takes one unless built with --max-batch.",
        ),
    ] = False,
    logits: Annotated[bool, typer.Option("--logits", help="Add the logits as a second output.")] = False,
    confidence: Confidence = False,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Dataset, photos or video to compare with PyTorch on; the package's own frames if not given."
        ),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --data.")] = "val",
    size: Size = "",
    tiles: Tiles = "",
    force: Force = False,
) -> None:
    """Checkpoint → ONNX (fp32), compared with PyTorch on real frames before it is kept.

    Example: edgeunet export onnx runs/first/best.pt -o model.onnx
    """
    require_installed("onnx", "torch", "onnxruntime")
    from edgeunet.utils.console import stdout
    from edgeunet.utils.limits import size_from_text, tiles_from_text
    from edgeunet_export.export_onnx import ExportOptions, export_onnx
    from edgeunet_export.summary import file_size, print_other_input, print_trust

    options = ExportOptions(
        dynamic_batch,
        logits,
        size_from_text(size) if size else None,
        tiles_from_text(tiles) if tiles else None,
        confidence,
    )
    exported = export_onnx(checkpoint, output, options, data=data, split=split, force=force)
    spec, parity = exported.spec, exported.parity
    out = stdout()
    out.print(f"{output}: {len(spec.classes)} classes, {spec.input_text}, fp32, {file_size(output)}")
    out.print(f"  agrees with PyTorch on {parity.agreement:.3%} of the pixels of {parity.frames} frames")
    out.print(f"  largest logit difference {parity.logit_difference:.2g}")
    print_other_input(exported, split)
    print_trust(spec, exported.feature_map)


@app.command()
def fp16(
    model: Annotated[Path, typer.Argument(help="fp32 model of `edgeunet export onnx`.")],
    output: Output,
    data: Annotated[
        Path | None,
        typer.Option(help="Dataset, folder of photos, or video to try it on; the package's own frames if not given."),
    ] = None,
    split: Annotated[str, typer.Option(help="Split of --data; its masks are not used.")] = "train",
    images: Annotated[
        int, typer.Option(help="Try it on at most this many images, evenly spread over the split.")
    ] = 100,
    force: Force = False,
) -> None:
    """ONNX → strongly typed FP16 ONNX; what overflows or loses accuracy there stays in fp32.

    Example: edgeunet export fp16 model.onnx -o model.fp16.onnx --data my_frames
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.utils.console import stdout
    from edgeunet_export.fp16 import Fp16Options, export_fp16
    from edgeunet_export.summary import file_size, print_wide

    result = export_fp16(model, output, Fp16Options(data, split, images), force=force)
    out = stdout()
    out.print(f"{output}: fp16, {file_size(output)}")
    print_wide(result.wide)
    out.print(f"  fp32 and fp16 agree on {result.agreement:.3%} of the pixels of {result.images} frames")


@app.command()
def int8(
    model: Annotated[Path, typer.Argument(help="fp32 model of `edgeunet export onnx`.")],
    output: Output,
    data: Annotated[
        Path, typer.Option(help="Dataset, folder of photos, or video: to calibrate and check on.", show_default=False)
    ],
    target: Annotated[
        str, typer.Option(help="Runtime of the file: tensorrt; onnxruntime or openvino (one file for both).")
    ] = "tensorrt",
    max_drop: Annotated[
        float, typer.Option(help="Points of mIoU that may be lost; a file that loses more is repaired or refused.")
    ] = 0.3,
    min_agreement: Annotated[
        float,
        typer.Option(help="Without labels: share of the pixels that must keep their class, instead of --max-drop."),
    ] = 0.98,
    split: Annotated[str, typer.Option(help="Split to calibrate on; its masks are not used.")] = "train",
    check_split: Annotated[str, typer.Option(help="Split to compare FP32 and INT8 on.")] = "val",
    method: Annotated[str, typer.Option(help="minmax, percentile, entropy or mse.")] = "mse",
    images: CalibImages = 256,
    seed: Seed = 0,
    ranges: Ranges = None,
    precision: Annotated[
        str, typer.Option(help="int8 (the rest in fp32) or int8+fp16 (the rest in fp16; opset 19).")
    ] = "int8",
    report: Annotated[
        Path | None, typer.Option(help="Folder for the sensitivity of every layer, as CSV and as a plot.")
    ] = None,
    force: Force = False,
) -> None:
    """ONNX → INT8 ONNX with Q/DQ, calibrated, compared with fp32, and repaired if it loses too much.

    The ranges are stored next to it in a .ranges.json file, which also serves every other target: --ranges.

    Example: edgeunet export int8 model.onnx --data my_frames -o model.int8.onnx
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.runtime.advice import advise_without_gpu
    from edgeunet.runtime.model_metadata import read_spec
    from edgeunet.utils.console import stdout
    from edgeunet_export.int8.export_int8 import Int8Options, export_int8
    from edgeunet_export.int8.repair.repair_report import write_report
    from edgeunet_export.summary import file_size, print_latency, print_quantization
    from edgeunet_export.verify.accuracy import AccuracyBudget

    budget = AccuracyBudget(max_drop, min_agreement)
    options = Int8Options(data, split, method, images, seed, ranges, target, precision, check_split, budget, report)
    if report:
        require_installed("matplotlib")
    result = export_int8(model, output, options, force=force)
    stdout().print(f"{output}: {precision} for {target}, {file_size(output)}, ranges: {result.ranges.summary}")
    print_quantization(result, budget)
    advise_without_gpu(output, read_spec(output))
    if report:
        write_report(report, result.repair, force=force)
        stdout().print(f"  sensitivities: {report}")
    if result.latency:
        print_latency(result.latency)


@app.command()
def engine(
    model: Annotated[Path, typer.Argument(help="Model file (.onnx); the engine runs in its precision.")],
    output: Output,
    workspace: Annotated[
        int | None, typer.Option(help="MiB that one layer may use; by default all memory, on a Jetson a quarter.")
    ] = None,
    level: Annotated[int, typer.Option(help="How long to search for fast kernels, 0 to 5.")] = 3,
    timing_cache: Annotated[
        Path | None, typer.Option(help="File of measured kernels; next to the model if not given.")
    ] = None,
    max_batch: Annotated[
        int, typer.Option(help="Most frames at once, for files with dynamic batch; each takes working memory.")
    ] = 1,
    logits_only: Annotated[
        bool, typer.Option("--logits-only", help="With logits: the session, not the engine, decides the class.")
    ] = False,
    dla: Annotated[
        int | None,
        typer.Option(
            help="Run on this DLA core: fp32 files with TensorRT up to 10.7 (AGX Orin, Orin NX), fp16 and INT8 files "
            "from 11.4.1 on (AGX Orin, JetPack 7.2.2)."
        ),
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Run the fp32 file in INT8 with this calibration table (TensorRT 10).")
    ] = None,
    provider: Annotated[str, typer.Option(help="tensorrt or tensorrt_rtx.")] = "tensorrt",
    if_stale: Annotated[
        bool,
        typer.Option("--if-stale", help="Build only if the existing engine does not fit machine, model or options."),
    ] = False,
    force: Force = False,
) -> None:
    """ONNX → TensorRT engine for the GPU of this machine, with OUTPUT.json next to it, which describes it.

    Example: edgeunet export engine model.fp16.onnx -o model.engine --if-stale
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.utils.console import stdout
    from edgeunet_export.engine.build import EngineOptions
    from edgeunet_export.engine.export_engine import export_engine
    from edgeunet_export.summary import file_size

    options = EngineOptions(
        cast("Provider", provider), workspace, level, max_batch, logits_only, dla, cache, timing_cache
    )
    result = export_engine(model, output, options, if_stale=if_stale, force=force)
    info, out = result.info, stdout()
    where = f" for {info.gpu} ({info.compute_capability})" if info.gpu else ""
    what = f"{info.spec.provenance.precision}, {file_size(output)}, {info.provider} {info.tensorrt_version}{where}"
    if not result.built:
        out.print(f"{output}: {what}, up to date")
        return
    if result.stale:
        out.print(f"  built again: {result.stale}")
    out.print(f"{output}: {what}, built in {info.build_seconds:.0f} s")
    if info.gpu_layers:
        out.print(f"  {len(info.gpu_layers)} layers fell back to the GPU: {', '.join(info.gpu_layers)}")
    if result.timing_cache_refused:
        out.print("  the timing cache was from another machine: replaced")


@app.command()
def cache(
    model: Annotated[Path, typer.Argument(help="fp32 model of `edgeunet export onnx`.")],
    output: Output,
    tensorrt: Annotated[
        str, typer.Option(help="TensorRT version that will read it, 10.3 to 10.x.", show_default=False)
    ],
    data: Annotated[Path | None, typer.Option(help="Dataset, folder of photos, or video to calibrate on.")] = None,
    ranges: Ranges = None,
    split: Annotated[str, typer.Option(help="Split to calibrate on; its masks are not used.")] = "train",
    method: Annotated[str, typer.Option(help="minmax, percentile, entropy or mse.")] = "mse",
    images: CalibImages = 256,
    seed: Seed = 0,
    force: Force = False,
) -> None:
    """ONNX → TensorRT's calibration table, for implicit INT8 and the DLA; then the board needs no images.

    Example: edgeunet export cache model.onnx --data my_frames -o model.cache --tensorrt 10.3
    """
    require_installed("onnx", "onnxruntime")
    from edgeunet.errors import UsageError
    from edgeunet.utils.console import stdout
    from edgeunet_export.calibration.calibrate import CalibrationOptions
    from edgeunet_export.calibration.export_table import export_table
    from edgeunet_export.calibration.table_file import TensorRTVersion

    version = TensorRTVersion.parse(tensorrt)
    if (data is None) == (ranges is None):
        raise UsageError("the ranges come from frames or from a file: give either --data or --ranges")
    origin = CalibrationOptions(data, split, method, images, seed) if data else cast(Path, ranges)
    result = export_table(model, output, origin, version, force=force)
    stdout().print(f"{output}: ranges of {result.tensors} tensors ({result.ranges.summary}), for TensorRT {version}")


@app.command()
def verify(
    a: Annotated[Path, typer.Argument(metavar="A", help="A model file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another model file with the same classes.")],
    data: Annotated[
        Path, typer.Option(help="Dataset, folder of photos, or video: the frames for both.", show_default=False)
    ],
    split: Annotated[str, typer.Option(help="Split of the dataset; masks are optional.")] = "val",
    worst: Annotated[
        int, typer.Option(min=1, help="With -o: how many of the frames with the least agreement to draw.")
    ] = 3,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for pictures of the worst frames.")
    ] = None,
    force: Force = False,
) -> None:
    """Run two model files on the same frames: how often their masks agree, the mIoU of each, the worst frames.

    Of two .onnx files the tensors inside are compared too, on the worst frame.

    Example: edgeunet export verify model.onnx model.int8.onnx --data my_frames -o worst
    """
    require_installed("onnxruntime")
    from edgeunet.utils.files import require_distinct
    from edgeunet.utils.folders import require_folder_writable
    from edgeunet_export.summary import print_comparison, print_deviation
    from edgeunet_export.verify.mask_agreement import compare_on

    if output:
        require_distinct({"-o": output}, {"A": a, "B": b, "--data": data}, replaced=[output])
        require_folder_writable(output, force=force)
    comparison = compare_on(a, b, data, split, worst=worst)
    print_comparison(comparison, a.name, b.name)
    if a.suffix == b.suffix == ".onnx":
        print_deviation(a, b, comparison.worst[0])
    if output:
        from edgeunet.utils.console import stdout
        from edgeunet_export.verify.worst_frames import write_pictures

        files = write_pictures(output, comparison, (a.name, b.name), force=force)
        stdout().print(f"{output}: {', '.join(files)} (frame | {a.name} | {b.name} | difference)")


@app.command()
def triton(
    model: Annotated[Path, typer.Argument(help="Model file, .onnx or .engine.")],
    repository: Annotated[Path, typer.Option("-o", "--output", help="Model repository.", show_default=False)],
    name: Annotated[str, typer.Option(help="Name of the model; the file's if not given.")] = "",
    max_batch: Annotated[int, typer.Option(help="Most frames in a batch; for files with dynamic batch.")] = 8,
    force: Force = False,
) -> None:
    """Put a model into a model repository of Triton Inference Server, with its configuration.

    Example: edgeunet export triton model.onnx -o repository --name road
    """
    require_installed("onnx")
    from edgeunet.utils.console import stdout
    from edgeunet_export.triton import TritonOptions, export_triton

    folder = export_triton(model, repository, TritonOptions(name, max_batch), force=force)
    out = stdout()
    out.print(f"{folder}: config.pbtxt, labels.txt and the model as version 1")
    out.print(f"  tritonserver --model-repository={repository}")
