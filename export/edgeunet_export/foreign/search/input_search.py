"""How a foreign network is fed: said by the options, said by its file, or found on labelled frames."""

from __future__ import annotations

from dataclasses import dataclass

from edgeunet.errors import MismatchError
from edgeunet.spec import ModelSpec
from edgeunet.utils.formatting import percentage
from edgeunet_export.foreign.foreign_network import ForeignNetwork
from edgeunet_export.foreign.hints.file_hints import SaidInput
from edgeunet_export.foreign.preprocessing import Preprocessing
from edgeunet_export.foreign.search.choice import Choice, TriedWay
from edgeunet_export.foreign.search.input_ways import Given, input_ways, options_of, title_of
from edgeunet_export.foreign.search.labelled_frames import LabelledFrames
from edgeunet_export.foreign.search.trying import try_all


@dataclass(frozen=True)
class FoundInput:
    """How the network is fed. why: in words, "" if the options say it. tried: lines for the user, if anything was."""

    preprocessing: Preprocessing
    why: str = ""
    tried: tuple[str, ...] = ()

    def __str__(self) -> str:
        return title_of(self.preprocessing) + (self.why and f", {self.why}")


def missing_options(channels: int, given: Given, said: SaidInput | None) -> list[str]:
    """The options without which nobody says how a network is fed, for one that nothing can be tried on."""
    if said is not None and said.certain:
        return []
    order = [] if given.order or channels == 1 else ["--rgb or --bgr"]
    return order + ([] if given.scale else ["--mean and --std, or --range"])


def find_input(
    network: ForeignNetwork, given: Given, said: SaidInput | None, frames: LabelledFrames | None, spec: ModelSpec
) -> FoundInput:
    """The options' word, else what labelled frames show, else the file's word.

    said: by the file, if anything. frames: None without labels; then missing_options() must be empty.
    spec: for the classes and for how frames are fitted. Raises MismatchError with what was tried if the labels do not
    show which way is right, DatasetError for a frame that cannot be read.
    """
    ways = input_ways(network.channels, given, said)
    if given.is_whole or len(ways) == 1:
        return FoundInput(ways[0].preprocessing)
    if frames is None:
        return FoundInput(ways[0].preprocessing, f"as {ways[0].origin} says; not checked, as there are no labels")
    choice = try_all(network, ways, frames, spec)
    if choice.winner is None:
        raise MismatchError(_refusal(network.origin, choice, frames))
    return FoundInput(choice.winner.preprocessing, _why(choice, choice.winner.origin), tuple(_table(choice, frames)))


def _why(choice: Choice, origin: str) -> str:
    if len(choice.rivals) > 1:
        return f"as {origin} says, where the labels do not tell"
    if origin:
        return f"as {origin} says and the labels show"
    other = next((t.origin for t in choice.trials if t.origin), "")
    return f"as the labels show, and not as {other} says" if other else "as the labels show"


def _refusal(origin: str, choice: Choice, frames: LabelledFrames) -> str:
    table = "".join(f"\n  {line}" for line in _table(choice, frames))
    return f"how {origin} is fed is not clear: {choice.reason}{table}\n{_remedy(choice)}"


def _remedy(choice: Choice) -> str:
    if choice.hopeless:
        return "give the options of the right way, and --classes with the classes in the order of the network"
    orders = {trial.preprocessing.order for trial in choice.rivals}
    said = ["--rgb or --bgr"] if len(orders) > 1 else []
    if len(choice.rivals) > len(orders):
        said.append("--mean and --std, or --range")
    return f"say which is right: {', and '.join(said)}; or label more frames"


def _table(choice: Choice, frames: LabelledFrames) -> list[str]:
    """What was tried, the best first."""
    return [f"mIoU on {frames}, fed in {len(choice.trials)} ways:", *map(_row, choice.trials)]


def _row(trial: TriedWay) -> str:
    said = f" (of {trial.origin})" if trial.origin else ""
    tried = f"{len(trial.counts)} frame{'' if len(trial.counts) == 1 else 's'}"
    way = trial.preprocessing
    return f"{percentage(trial.miou):>5}  {tried:>10}  {title_of(way)}{said}: {options_of(way)}"
