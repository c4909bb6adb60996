//! The consumer's binary: everything is in the library.

fn main() -> std::process::ExitCode {
    consumer::command::PROGRAM.run(consumer::command::run)
}
