"""The checkpoint that a run starts from."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from edgeunet.errors import UsageError
from edgeunet.network.checkpoint import load_model
from edgeunet.network.unet import UNet, preset_name
from edgeunet.spec import ModelSpec
from edgeunet.utils.files import sha256


class ParentCheckpoint(NamedTuple):
    """A trained network and its spec. path: as it was given. digest: SHA-256 of that file."""

    path: Path
    net: UNet
    spec: ModelSpec
    digest: str

    @classmethod
    def read(cls, path: Path, resumed: Path | None = None) -> ParentCheckpoint:
        """resumed: the state of a run that started from `path`; it is enough where that file is gone.

        Raises ModelFileError for a file that is no checkpoint of edgeunet.
        """
        net, spec = load_model(resumed or path)
        gone = resumed is not None and not path.exists()
        return cls(path, net, spec, spec.provenance.parent_sha256 if gone else sha256(path))

    def require_preset(self, name: str) -> None:
        """Raise UsageError if its network is not that preset; "" is any network."""
        found = preset_name(self.net.config)
        if name not in ("", found):
            is_a = f"has the network {found}" if found else "has a network that is no preset"
            raise UsageError(f"{self.path} {is_a}, --model asks for {name}: leave out --model, or the checkpoint")
