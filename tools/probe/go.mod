module constructs_lib/tools/probe

go 1.24.0
