"""The card of a model: what it is, how accurate, how fast and on what, what was rejected, and how to make it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgeunet.utils.files import sha256, write_json, write_text
from edgeunet.utils.formatting import percentage
from edgeunet.version import __version__
from edgeunet_bench.fit.builder import BuiltModel
from edgeunet_bench.fit.shortlist import DeviceBudget, Rejected, figures, power_mw
from edgeunet_bench.render.markdown import markdown_table, plain
from edgeunet_bench.render.tables import NONE, TextTable, bounded, facts_table
from edgeunet_bench.sweep.sweep_file import Row, Sweep

SCHEMA = "edgeunet.card/1"


@dataclass(frozen=True)
class Card:
    """commands: that make the model again, in order. device_commands: to run on the device after it."""

    created: str  # UTC, ISO 8601
    budget: DeviceBudget
    row: Row
    sweep: Sweep
    built: BuiltModel
    rejected: Sequence[Rejected]
    command: str
    device_commands: Sequence[str]

    @property
    def notes(self) -> list[str]:
        """Reasons to trust the figures less."""
        p99 = self.row.summary.p99
        notes = list(self.built.notes)
        if p99.interval is None:
            notes.append("there were too few samples for an upper bound of p99: sweep longer")
        elif p99.interval[1] > self.budget.ms:
            notes.append(f"the upper bound of p99 is over {self.budget.ms:g} ms: it may miss the budget")
        if self.row.throttled:
            notes.append("the device throttled while it was measured: cool it, and sweep again")
        if self.sweep.partial:
            notes.append("the sweep was interrupted: other candidates may be missing")
        return notes

    def to_dict(self) -> dict[str, Any]:
        """What is in the JSON file."""
        row, summary, scores = self.row, self.row.summary, self.built.scores
        return {
            "schema": SCHEMA,
            "version": __version__,
            "created": self.created,
            "model": self.built.model.name,
            "model_sha256": scores["model_sha256"],
            "checkpoint_sha256": sha256(self.built.checkpoint),
            "network": row.network,
            "input_size": row.input_size,
            "precision": row.precision,
            "size_bytes": self.built.model.stat().st_size,
            "budget": asdict(self.budget),
            "accuracy": {**scores},
            "verified": self.built.verified,
            "latency_ms": asdict(summary),
            "energy_mj": row.energy_mj,
            "power_mw": power_mw(row),
            "measured": {
                "machine": dict(self.sweep.machine),
                "created": self.sweep.created,
                "command": self.sweep.command,
                "frames": self.sweep.frames,
                "model": row.model,
                "model_sha256": row.model_sha256,
                "backend": f"{row.backend} {row.version}",
                "threads": row.threads,
                "passes": len(row.passes_ms),
                "throttled": row.throttled,
            },
            "notes": self.notes,
            "rejected": [asdict(r) for r in self.rejected],
            "command": self.command,
            "commands": list(self.built.commands),
            "device_commands": list(self.device_commands),
        }

    def markdown(self) -> str:
        """The same for people."""
        row, scores = self.row, self.built.scores
        quantiles = [(q.name, bounded(q)) for q in (row.summary.p50, row.summary.p90, row.summary.p99)]
        energy = "not measured" if row.energy_mj is None else f"{row.energy_mj:.1f} mJ per frame, idle power included"
        chosen = (
            "Of all exportable candidates within the budget, it has the most operations (those of a pretrained network "
            "count twice) and the widest numbers"
        )
        measured = f"of {row.model}, an untrained or other file of this network, size and precision"
        iou = [("mIoU", percentage(scores["miou"])), ("pixels right", percentage(scores["accuracy"]))]
        iou += [(name, percentage(value)) for name, value in scores["iou"].items()]
        height, width = row.input_size
        by_split = scores["split"] == "val"
        blocks = [
            [f"# {self.built.model.name}"],
            [f"{row.network}, {height}×{width}, {row.precision}: {figures(row)} on the device, within {self.budget}."],
            [f"{chosen}."],
            *([[f"- {plain(note)}" for note in self.notes]] if self.notes else []),
            ["## Accuracy"],
            *([["The best checkpoint was chosen by this split: expect less on other frames."]] if by_split else []),
            _table(("%", f"{scores['split']}, {scores['frames']} frames of {scores['dataset']}"), iou),
            [plain(f"Verified: it {self.built.verified}.")],
            ["## Latency and energy"],
            _table(("end to end", "ms, with 98 % interval"), [*quantiles, ("energy", energy)]),
            [plain(f"Measured {self.sweep.created} on {self.sweep.frames}, {row.summary.n} calls {measured}.")],
            markdown_table(facts_table({"device": {**_runtime(row), **self.sweep.machine}})),
            ["## Rejected"],
            _table(("candidate", "why"), [(r.name, r.reason) for r in self.rejected] or [(NONE, NONE)], text=2),
            ["## To make it again"],
            ["```sh", "# on the device, before", self.sweep.command, "# on the desk, all in one", self.command],
            ["# or one by one", *self.built.commands, "# on the device, to confirm it", *self.device_commands, "```"],
        ]
        text = "\n\n".join("\n".join(block) for block in blocks[:-2])
        return f"{text}\n\n" + "\n".join(line for block in blocks[-2:] for line in block) + "\n"

    @property
    def path(self) -> Path:
        """The path of its Markdown file, next to the model file."""
        return self.built.model.with_suffix(".card.md")

    def summary(self) -> str:
        """The card in one line."""
        miou = percentage(self.built.scores["miou"])
        return f"{self.built.model}: mIoU {miou} %, {figures(self.row)} on the device; see {self.path}"

    def save(self, *, force: bool) -> None:
        """Write the Markdown and the JSON; raises OutputError if one exists and `force` is false."""
        write_json(self.path.with_suffix(".json"), self.to_dict(), force=force)
        write_text(self.path, self.markdown(), force=force)


def _runtime(row: Row) -> Mapping[str, str]:
    threads = {} if row.threads is None else {"threads": str(row.threads)}
    return {"backend": f"{row.backend} {row.version}", **threads}


def _table(header: tuple[str, str], rows: Sequence[tuple[str, str]], text: int = 1) -> list[str]:
    return markdown_table(TextTable(header, tuple(rows), text_columns=text))
