"""Dataset folders made of other dataset folders: one divided again, several put into one."""
