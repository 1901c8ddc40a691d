//! The `trailsight` binary.

fn main() -> std::process::ExitCode {
    trailsight::cli::main()
}
