from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgeunet.utils import console
from edgeunet.utils.check import Check
from tests.processes import started

NAMES = ["[/]", "[bold]x", "[link=http://x]y", ":smile:", "a\\[b"]

_BEGIN = "import os, sys\nfrom edgeunet.utils import console\n"


def _run(code: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run `code` in a command, in a process of its own."""
    program = f"{_BEGIN}def command():\n    {code}\nsys.exit(console.run(command))"
    return subprocess.run(  # type: ignore[call-overload, no-any-return]
        [sys.executable, "-c", program],
        text=True,
        encoding="utf-8",
        errors="surrogateescape",
        **{"capture_output": True, **options},
    )


@pytest.mark.parametrize("name", NAMES)
def test_names_are_printed_as_they_are(capsys: pytest.CaptureFixture[str], name: str) -> None:
    console.stdout().print(f"{name}: 3 frames")
    console.table(name, ("class", name), [(name, "1")])
    console.print_checks([Check("warning", name, "never occurs", "label some")])
    with console.progress() as bar:
        bar.add_task(name, total=1)
    said = capsys.readouterr()
    assert said.out.count(name) == 5
    assert name in said.err


def test_names_of_a_list_stay_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    console.table("model.onnx", ("", ""), [("counted for an input of", "128x160"), ("classes", "sky, road, " * 9)])
    lines = capsys.readouterr().out.splitlines()
    assert " counted for an input of  128x160" in [line.rstrip() for line in lines]
    assert max(map(len, lines)) <= 60


def test_a_long_name_leaves_room_for_its_figure(capsys: pytest.CaptureFixture[str]) -> None:
    """As of a command that was measured."""
    console.table("", ("", ""), [("A: env PYTHONPATH=" + "folder/" * 30 + " python", "11.50 ms"), ("bounds", "0.98")])
    said = capsys.readouterr().out
    assert "11.50 ms" in said
    assert "0.98" in said


def test_what_a_terminal_would_obey_is_shown_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    console.stdout().print("\x1b]0;title\x07 \u202edcba \ud800 two\nlines")
    assert capsys.readouterr().out == "\\x1b]0;title\\x07 \\u202edcba \\ud800 two\nlines\n"


@pytest.mark.parametrize("encoding", ["latin-1", "ascii", "cp437"])
def test_letters_that_the_terminal_lacks_are_replaced(encoding: str) -> None:
    code = "console.stdout().print('3 \u00d7 4 \u2192 12'); raise console.EdgeUNetError('\u2192 gone')"
    done = _run(code, env={**os.environ, "PYTHONIOENCODING": encoding})
    assert done.returncode == 1
    assert done.stdout.endswith(" 12\n")
    assert done.stderr == "error: ? gone\n"


def test_what_libraries_write_is_left_out_unless_debugging() -> None:
    log = "import logging; logging.getLogger('PIL').error('odd')"
    ours = "sys.stderr.write('ours\\n'); raise console.EdgeUNetError('damaged')"
    code = f"os.write(2, b'libpng error: bad\\n'); {log}; {ours}"
    assert _run(code).stderr == "ours\nerror: damaged\n"
    program = f"{_BEGIN}def command():\n    {code}\nconsole.run(command, debug=True)"
    debugged = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert debugged.stderr.startswith("libpng error: bad\nodd\nours\nTraceback")


def test_the_descriptor_is_as_before_after_a_command() -> None:
    program = "import os\nfrom edgeunet.utils import console\nconsole.run(lambda: None)\nos.write(2, b'here')"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stderr == "here"


@pytest.mark.parametrize("closed", [(), (0,), (2,)])
def test_standard_output_has_results_alone_whatever_libraries_print_there(closed: tuple[int, ...]) -> None:
    lines = [
        "os.write(1, b'GST_ARGUS: Creating output stream\\n')",
        "console.print_json([1])",
        "os.system('echo here')",
    ]
    done = _run(
        "; ".join(lines), capture_output=False, stdout=subprocess.PIPE, preexec_fn=lambda: [*map(os.close, closed)]
    )
    assert (done.returncode, json.loads(done.stdout)) == (0, [1])
    program = f"{_BEGIN}console.run(lambda: os.write(1, b'GST_ARGUS'), debug=True)\nos.write(1, b'after')"
    debugged = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (debugged.stdout, debugged.stderr) == ("after", "GST_ARGUS")


@pytest.mark.parametrize("how", ["full disk", "pipe without a reader", "closed"])
def test_the_work_goes_on_where_standard_error_cannot_be_written(how: str) -> None:
    code = "\n    ".join(
        [
            "with console.progress() as bar:",
            "    list(bar.track(range(3)))",
            "console.stderr().print('warning')",
            "console.stdout().print('done')",
        ]
    )
    if how == "full disk":
        with open("/dev/full", "wb") as full:
            done = _run(code, capture_output=False, stdout=subprocess.PIPE, stderr=full)
    elif how == "pipe without a reader":
        reader, writer = os.pipe()
        os.close(reader)
        done = _run(code, capture_output=False, stdout=subprocess.PIPE, stderr=writer)
        os.close(writer)
    else:
        done = _run(code, capture_output=False, stdout=subprocess.PIPE, preexec_fn=lambda: os.close(2))
    assert (done.returncode, done.stdout) == (0, "done\n")


def test_a_reader_that_wants_no_more_is_no_traceback() -> None:
    code = "[console.stdout().print('x' * 1000) for _ in range(1000)]"
    reader, writer = os.pipe()
    os.close(reader)
    done = _run(code, capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_json_for_a_closed_standard_output_is_one_line() -> None:
    done = _run("console.print_json([])", preexec_fn=lambda: os.close(1), capture_output=False, stderr=subprocess.PIPE)
    assert (done.returncode, done.stderr) == (1, "error: standard output is closed, and --json prints there\n")


def test_a_package_that_does_not_load_is_one_line_that_names_the_doctor() -> None:
    done = _run("raise ImportError('numpy.core.multiarray failed to import')")
    said = "a Python package does not load (numpy.core.multiarray failed to import): `edgeunet doctor` says which one"
    assert (done.returncode, done.stderr) == (1, f"error: {said} and what helps\n")
    assert "Traceback" in _run("raise ImportError('no such name', name='edgeunet.spec')").stderr, "a fault of our own"


@pytest.mark.parametrize("error", ["ImportError", "OSError"])  # of ctypes, for a library
def test_a_package_that_does_not_load_is_named_with_what_installs_it_again(tmp_path: Path, error: str) -> None:
    (tmp_path / "matplotlib.py").write_text(f"raise {error}('libfreetype.so.6: cannot open')")
    done = _run(f"sys.path.insert(0, {str(tmp_path)!r}); import matplotlib")
    remedy = "pip uninstall matplotlib, then pip install matplotlib"
    said = f"error: Matplotlib does not load (libfreetype.so.6: cannot open): {remedy}\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_a_package_that_lacks_another_does_not_load_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "matplotlib.py").write_text("import no_kiwisolver")
    done = _run(f"sys.path.insert(0, {str(tmp_path)!r}); import matplotlib")
    assert done.stderr.startswith("error: Matplotlib does not load (No module named 'no_kiwisolver'): pip uninstall")
    assert "Traceback" in _run("import no_such_module").stderr, "a fault of our own"


def test_too_little_memory_is_one_line() -> None:
    done = _run("raise MemoryError")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "not enough memory" in done.stderr


@pytest.mark.parametrize("end", ["", "; sys.exit(0)"])
def test_a_full_disk_under_standard_output_is_one_line(end: str) -> None:
    with open("/dev/full", "wb") as full:
        done = _run(f"console.print_json([1]){end}", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ")
    assert done.stderr.count("\n") == 1


def test_what_is_kept_of_the_command_line_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    given = ["/bin/edgeunet", "camera", "m.onnx", "--source", "rtsp://admin:S3crt@10.0.0.5/x", "--token", "T0ken"]
    monkeypatch.setattr(sys, "argv", given)
    assert console.command_line() == "edgeunet camera m.onnx --source 'rtsp://…@10.0.0.5/x' --token '…'"


def test_sigterm_ends_what_hangs_in_a_library() -> None:
    program = """
import ctypes, os, signal, sys, threading
from edgeunet.utils import console
def hang():
    lock, mutex = ctypes.CDLL(None).pthread_mutex_lock, ctypes.create_string_buffer(64)
    threading.Timer(2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    lock(mutex)
    lock(mutex)
console.HANGS_S = 0.1
sys.exit(console.run(hang))
"""
    with started([sys.executable, "-c", program]) as process:
        assert process.wait(60) == 128 + signal.SIGTERM


def test_sigterm_for_a_fork_does_not_end_the_process_that_it_comes_from() -> None:
    program = """
import os, signal, time
from edgeunet.utils import console
def work():
    child = os.fork()
    if not child:
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        time.sleep(60)
    time.sleep(0.2)
    os.kill(child, signal.SIGTERM)
    os.waitpid(child, 0)
    time.sleep(wait_s)
console.HANGS_S = 0.2
for wait_s in (0, 1):
    assert console.run(work) == 0
    time.sleep(1)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
