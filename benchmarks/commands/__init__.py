"""The commands of `edgeunet bench`, a file each: they parse, call and print."""
