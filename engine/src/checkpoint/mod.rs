//! Model folders on disk.
