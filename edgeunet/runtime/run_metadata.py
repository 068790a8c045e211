"""The run metadata of a latency record: which model ran, on which backend, by which command."""

from __future__ import annotations

from edgeunet.latency.record import RunMetadata
from edgeunet.runtime.session import Session
from edgeunet.utils.console import command_line


def run_metadata_of(session: Session, *, commit: str = "") -> RunMetadata:
    """Of a session that open_session() opened and of this command. commit: of the checkout, if it is one."""
    about = session.describe()
    return RunMetadata(
        model=session.file.name,
        model_sha256=session.file.sha256,
        precision=session.spec.provenance.precision,
        input_size=session.spec.input_size,
        size_bytes=session.file.size_bytes,
        backend=f"{about['backend']} {about['version']}",
        command=command_line(),
        commit=commit,
    )
