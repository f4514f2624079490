//! The `estelam` program: parses arguments and calls the library.

fn main() {}
