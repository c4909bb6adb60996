//! The whole pipeline in one process, for a first look: `cargo run --release`.

mod stack;
mod status;

fn main() -> std::process::ExitCode {
    stack::PROGRAM.run(stack::run)
}
