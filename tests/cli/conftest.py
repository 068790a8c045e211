"""The model files of the exports' tests, for the command line too."""

from tests.export.conftest import checkpoint, dataset, model, steady_model

__all__ = ["checkpoint", "dataset", "model", "steady_model"]
