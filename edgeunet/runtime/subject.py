"""What a latency record says of the model that ran."""

from __future__ import annotations

from pathlib import Path

from edgeunet.console import command_line
from edgeunet.files import sha256
from edgeunet.record import Subject
from edgeunet.runtime.session import Session


def subject_of(session: Session, model: Path, *, commit: str = "") -> Subject:
    """The opened model file, and the command that opened it. commit: of the checkout, if it is one."""
    about = session.describe()
    return Subject(
        model=model.name,
        model_sha256=sha256(model),
        precision=session.spec.provenance.precision,
        input_size=session.spec.input_size,
        size_bytes=model.stat().st_size,
        backend=f"{about['backend']} {about['version']}",
        command=command_line(),
        commit=commit,
    )
