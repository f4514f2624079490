//! The `estelam` program: everything is in the library.

fn main() -> std::process::ExitCode {
    estelam::cli::main()
}
