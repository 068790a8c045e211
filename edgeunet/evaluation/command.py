"""The verb `edgeunet evaluate`: from a model's file to its scores, and to the files that show them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from edgeunet.errors import UsageError
from edgeunet.evaluation.page import EvaluationPage
from edgeunet.evaluation.score import Evaluation, Segmenter, evaluate_model
from edgeunet.runtime import open_session
from edgeunet.utils.endings import require_no_other_ending
from edgeunet.utils.files import require_distinct, require_writable, write_json
from edgeunet.utils.model_kind import is_checkpoint


def evaluate(
    model: str | Path,
    data: str | Path,
    split: str = "val",
    *,
    size: tuple[int, int] | None = None,
    tiles: tuple[int, int] | None = None,
    output: Path | None = None,
    report: Path | None = None,
    backend: str | None = None,
    threads: int | None = None,
    force: bool = False,
) -> Evaluation:
    """Score a model on a labelled split: IoU, boundary F1, precision and recall of each class.

    model: a checkpoint (.pt), which runs in PyTorch, or a model file (.onnx or .engine). data: a dataset folder.
    size, tiles: (height, width) and (rows, columns) of a checkpoint's input, if not those that it was trained with.
    output: also write the scores to this JSON file. report: also write a page for people to this HTML file.
    backend, threads: as open_session() takes them; a checkpoint ignores them. force: replace files that exist.
    Shows progress on stderr. Raises ModelFileError, DatasetError, MismatchError if the dataset has other classes than
    the model, OutputError, UsageError or MissingDependencyError.
    """
    model, data = Path(model), Path(data)
    require_distinct({"-o": output, "--report": report}, {"MODEL": model, "DATA": data})
    if output is not None:
        require_no_other_ending("-o", output, "JSON", ".json")
        require_writable(output, force=force)
    if report is not None:
        require_no_other_ending("--report", report, "a page", ".html")
    page = None if report is None else EvaluationPage(report, force=force)
    if (size or tiles) and not is_checkpoint(model):
        raise UsageError(
            f"{model} has its input size built in: --size and --tiles are for checkpoints (`edgeunet export onnx "
            "CHECKPOINT --size HEIGHTxWIDTH` makes a file of another size)"
        )
    with _opened(model, size, tiles, threads, backend) as segmenter:
        evaluation = evaluate_model(segmenter, model, data, split, find_noise=report is not None)
        if output is not None:
            write_json(output, evaluation.values, force=force)
        if page is not None:
            page.write(evaluation, segmenter)
    return evaluation


def _opened(
    model: Path,
    size: tuple[int, int] | None,
    tiles: tuple[int, int] | None,
    threads: int | None,
    backend: str | None,
) -> AbstractContextManager[Segmenter]:
    """A checkpoint in PyTorch, anything else in a session."""
    if is_checkpoint(model):
        from edgeunet.network.torch_segmenter import open_checkpoint

        return open_checkpoint(model, size, tiles)
    return open_session(model, threads=threads, backend=backend)
