"""A fuzzer: valid files and arguments with a change in them, through the real commands; every end must be a clean one.

    python -m tests.fuzzer --seconds 1800 --seed 1
    python -m tests.fuzzer --seed 1 --case onnx:17       one case again, with all that it said

seeds.py has the valid files, mutations.py their changes, kinds.py the commands that get them, arguments.py odd command
lines, and judge.py says what a clean end is. test_texts.py reads texts without a command.
"""
