//! `estelam demo`: what it builds, what clients get from it, and what it does with folders that are not
//! its own.

mod answers;
mod contract;
mod folders;
mod pasted;
mod readme;
mod runs;
