//! Model folders on disk.

#[cfg(feature = "test-models")]
pub mod tiny;
