//! Vernier
fn main() { println!("{:?}", vernier_engine::hello()); }
