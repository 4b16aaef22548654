//! Arguments in, one library call, one error line and an exit code out.

use std::io::Write;
use std::process::ExitCode;

fn main() -> ExitCode {
    jackdaw::sys::limit_heaps();
    match jackdaw::cli::execute(std::env::args_os().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Not `eprintln!`: that panics where standard error is closed.
            let _ = writeln!(std::io::stderr(), "jackdaw: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}
