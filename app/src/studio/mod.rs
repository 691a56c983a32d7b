//! The desktop window.

pub mod gpu;
