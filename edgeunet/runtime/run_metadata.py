"""What a latency record says of the model that ran."""

from __future__ import annotations

from edgeunet.latency.record import Subject
from edgeunet.runtime.session import Session
from edgeunet.utils.console import command_line


def subject_of(session: Session, *, commit: str = "") -> Subject:
    """The model file that open_session() opened, and the command that did. commit: of the checkout, if it is one."""
    about = session.describe()
    return Subject(
        model=session.file.name,
        model_sha256=session.file.sha256,
        precision=session.spec.provenance.precision,
        input_size=session.spec.input_size,
        size_bytes=session.file.size_bytes,
        backend=f"{about['backend']} {about['version']}",
        command=command_line(),
        commit=commit,
    )
