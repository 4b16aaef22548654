//! Arguments in, one library call, one error line and an exit code out.

fn main() {}
