//! Vernier
fn main() {}
