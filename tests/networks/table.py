"""`python -m tests.networks.table networks.json`: the table of the documents, from the result of the check."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

HEADER = (
    "| network | given as | parameters, M | mIoU, original | mIoU, model file | points lost in INT8: OpenVINO, "
    "TensorRT | OpenVINO fp32, INT8 | NVIDIA's builder |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def table(result: Mapping[str, Any]) -> list[str]:
    """Lines of Markdown, one for each network."""
    return [*HEADER.split("\n"), *map(_line, result["networks"])]


def _line(row: Mapping[str, Any]) -> str:
    title = row["title"] if row["package"] == "written by hand" else f"{row['title']} ({row['package']})"
    start = f"| {title}{'' if row['trained'] else ', random weights'} | {row['form']}"
    if row["not_run"] or not row["latency_ms"]:  # the last that is found
        return f"{start} | {row['not_run'] or row['problems'][0]} | | | | | |"
    miou, times = row["miou"], row["latency_ms"]
    drops = ", ".join(f"{max(0.0, miou['fp32'] - miou[file]):.1f}" for file in ("openvino", "int8"))
    return (
        f"{start} | {row['parameters'] / 1e6:.1f} | {miou['original']:.1f} | {miou['fp32']:.1f} | {drops} "
        f"| {times['fp32']:.1f}, {times['int8']:.1f} ms | {_builder(row['tensorrt'])} |"
    )


def _builder(said: Mapping[str, str]) -> str:
    refused = [f"{precision}: {what}" for precision, what in said.items() if not what.startswith("builds")]
    return "takes all four" if not refused else "; ".join(refused)


if __name__ == "__main__":
    sys.stdout.write("\n".join(table(json.loads(Path(sys.argv[1]).read_text()))) + "\n")
