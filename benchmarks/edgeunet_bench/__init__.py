"""The body of `edgeunet bench` and `edgeunet fit`: measure, record, compare, report."""
