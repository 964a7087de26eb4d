//! The `parallax` command: see `parallax --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    parallax::cli::run(std::env::args_os()).into()
}
