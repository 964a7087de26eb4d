//! Arguments, one file per command, the exit codes.
