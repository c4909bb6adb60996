//! The producer's process: everything it does is in the library.

fn main() -> std::process::ExitCode {
    producer::service::PROGRAM.run(producer::service::serve)
}
