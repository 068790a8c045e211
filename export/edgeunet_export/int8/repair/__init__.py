"""INT8 models that lose too much, repaired: equalisation, ranges, biases, and what has to stay in float."""

from edgeunet_export.int8.repair.layers import Latency, Layer, measured
from edgeunet_export.int8.repair.repair import Repair, Step, Task, repaired
from edgeunet_export.int8.repair.report import print_accuracy, print_layers, print_steps, write_report

__all__ = [
    "Latency",
    "Layer",
    "Repair",
    "Step",
    "Task",
    "measured",
    "print_accuracy",
    "print_layers",
    "print_steps",
    "repaired",
    "write_report",
]
